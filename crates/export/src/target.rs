//! A place for a new folder: beside its name until it is whole.

use crate::ExportError;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A folder on its way to its name. Dropped before [`place`](Self::place), it leaves nothing behind.
pub(crate) struct NewFolder {
    folder: TempDir,
    path: PathBuf,
}

impl NewFolder {
    /// # Errors
    /// If there is something under the name already; the system's.
    pub fn beside(path: &Path) -> Result<Self, ExportError> {
        let occupied = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) => e.kind() != std::io::ErrorKind::NotFound,
        };
        if occupied {
            let message = "is there already, and holds something: delete it, or give another --out";
            return Err(ExportError::file(path, message));
        }
        std::fs::create_dir_all(folder(path)).map_err(|e| ExportError::io(path, e))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".export-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let made = builder.tempdir_in(folder(path)).map_err(|e| ExportError::io(path, e))?;
        Ok(Self { folder: made, path: path.to_owned() })
    }

    /// A file's path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn place(self) -> Result<(), ExportError> {
        std::fs::rename(self.folder.path(), &self.path).map_err(|e| ExportError::io(&self.path, e))?;
        // It has gone to its name: there is nothing to delete.
        let _ = self.folder.keep();
        Ok(())
    }
}

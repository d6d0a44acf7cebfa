//! Files that are there whole, or not at all.
//!
//! A file is written beside its place, flushed to the disk, and renamed: a reader sees the old one or the new one, and what is
//! interrupted leaves the old. A link stays one, and what it leads to is replaced. What is no regular file, a device or a pipe,
//! cannot be replaced and is written to.
//!
//! ```
//! # use toolken_files as files;
//! # fn main() -> std::io::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("report.html");
//! files::write(&path, b"<p>whole</p>")?;
//! assert_eq!(std::fs::read(&path)?, b"<p>whole</p>");
//! # Ok(()) }
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Reads a text.
///
/// # Errors
/// The system's; of kind [`io::ErrorKind::InvalidData`], with the line, where it is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(fs::read(path)?).map_err(|e| {
        let sound = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..sound].iter().filter(|&&byte| byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: no UTF-8: save it as UTF-8"))
    })
}

/// Writes a file; its folder is made if there is none.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::at(path)?;
    file.file().write_all(bytes)?;
    file.place()
}

/// A file on its way to its name. Dropped before [`place`](Self::place), it leaves nothing behind.
pub struct NewFile(Kind);

enum Kind {
    /// Beside its place.
    Beside { file: NamedTempFile<File>, path: PathBuf },
    /// What can only be written to.
    There(File),
}

impl NewFile {
    /// A file that is to be at a path; its folder is made if there is none.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> io::Result<Self> {
        let writable_only =
            |path: &Path| fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        // A shell's pipe is a link, too, to something without a path.
        if writable_only(path) {
            return Ok(Self(Kind::There(OpenOptions::new().write(true).open(path)?)));
        }
        // A link that leads nowhere is followed to where its target will be.
        let path = match fs::read_link(path) {
            Ok(target) => fs::canonicalize(path).unwrap_or_else(|_| folder(path).join(target)),
            Err(_) => path.to_owned(),
        };
        fs::create_dir_all(folder(&path))?;
        // Not a `NamedTempFile::new_in`, which is for its owner's eyes only: what may read it is left to the umask.
        let file =
            Builder::new().prefix(".unfinished-").make_in(folder(&path), |path| File::create_new(path))?;
        Ok(Self(Kind::Beside { file, path }))
    }

    /// What is written to.
    pub fn file(&mut self) -> &mut File {
        match &mut self.0 {
            Kind::Beside { file, .. } => file.as_file_mut(),
            Kind::There(file) => file,
        }
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// The system's.
    pub fn place(self) -> io::Result<()> {
        if let Kind::Beside { file, path } = self.0 {
            file.as_file().sync_all()?;
            file.persist(path)?;
        }
        Ok(())
    }
}

/// Whether two paths lead to the same file, which is there.
pub fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_not_placed_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/it");
        write(&path, b"old").unwrap();
        let mut file = NewFile::at(&path).unwrap();
        file.file().write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(path.parent().unwrap()), ["it"], "nothing else is left");
        assert!(write(folder.path(), b"x").is_err(), "a folder is no file");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_is_no_file_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::os::unix::fs::symlink("target", &link).unwrap();
        for bytes in [b"first", b"again"] {
            write(&link, bytes).unwrap();
            assert_eq!(fs::read(&target).unwrap(), bytes);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        assert!(same(&link, &target) && !same(&link, folder.path()));
        write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        // As a shell names the pipe of `>(…)`.
        let (mut reader, writer) = io::pipe().unwrap();
        let end = std::os::fd::AsRawFd::as_raw_fd(&writer);
        write(Path::new(&format!("/dev/fd/{end}")), b"through").unwrap();
        drop(writer);
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "through");
    }
}

//! Files that survive being killed: written whole and renamed, or line by line with a torn last line dropped.

use crate::BenchError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes a file whole, or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BenchError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        // Not a `NamedTempFile::new_in`, which is for its owner's eyes only.
        let mut file = tempfile::Builder::new().make_in(folder, |path| File::create_new(path))?;
        file.write_all(bytes)?;
        file.persist(path)?;
        std::io::Result::Ok(())
    };
    write().map_err(|e| BenchError::io(path, e))
}

/// The lines of a file that were written to their end; a torn last line is cut off the file.
pub fn whole_lines(file: &mut File, path: &Path) -> Result<String, BenchError> {
    let mut bytes = Vec::new();
    let mut read = || {
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if end < bytes.len() {
            file.set_len(end as u64)?;
            bytes.truncate(end);
        }
        std::io::Result::Ok(())
    };
    read().map_err(|e| BenchError::io(path, e))?;
    String::from_utf8(bytes)
        .map_err(|_| BenchError::data(path, "not UTF-8: the file is damaged; move it away"))
}

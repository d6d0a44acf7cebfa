//! What the demo has computed before: kept beside the models, and computed again only where it is missing.

use crate::extract::cache_dir;
use anyhow::Context;
use head::Head;
use lm::ModelCard;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Part of every address: goes up when what is computed changes.
const VERSION: u32 = 2;

/// A folder named by what decides its content.
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// The folder for a model and the numbers that decide a demo.
    pub fn of(card: &ModelCard, cache: Option<&Path>, decides: &impl Serialize) -> anyhow::Result<Self> {
        let address = serde_json::to_vec(&(VERSION, &card.digest, &card.engine, decides))?;
        let address = hex::encode(&Sha256::digest(address)[..8]);
        let folder = cache.map_or_else(|| cache_dir("demo"), |cache| cache.join("demo")).join(address);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self { folder })
    }

    /// Where a file of this name is kept.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A value that is kept as JSON, made if it is not there. A file that cannot be read is made anew: it is ours alone.
    pub fn json<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let path = self.path(name);
        if let Some(kept) = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(kept);
        }
        let made = make()?;
        self.write(name, &serde_json::to_vec(&made)?)?;
        Ok(made)
    }

    /// A head, likewise.
    pub fn head(&self, name: &str, make: impl FnOnce() -> anyhow::Result<Head>) -> anyhow::Result<Head> {
        let path = self.path(name);
        if let Ok(head) = Head::load(&path) {
            return Ok(head);
        }
        let head = make()?;
        head.save(&path)?;
        Ok(head)
    }

    /// Writes a file whole, or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        crate::output::file(&self.path(name), bytes)
    }
}

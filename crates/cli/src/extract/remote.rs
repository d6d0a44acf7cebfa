//! Object stores as depots: S3 and what speaks it, Google Cloud Storage, Azure.
//!
//! A put of an object is seen whole or not at all, in all three, and a read after it sees it. Credentials and endpoints
//! come from the variables that the stores' own tools read (`AWS_…`, `GOOGLE_…`, `AZURE_…`).

use head::{Depot, HeadError};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use tokio::runtime::{Builder, Runtime};

/// A bucket, or what lies in it under a prefix.
pub struct Bucket {
    url: String,
    prefix: Key,
    store: Box<dyn ObjectStore>,
    /// Requests are made one at a time: a part takes far longer to compute than to send.
    runtime: Runtime,
}

impl Bucket {
    /// The place that a URL names: `s3://bucket/prefix`, `gs://…`, `az://…`.
    ///
    /// # Errors
    /// [`HeadError::Setting`] for another scheme; [`HeadError::Io`] for settings that the store's client refuses.
    pub fn open(url: &str) -> Result<Self, HeadError> {
        // The provider that the models' downloads use too; another one may stand already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let prefix = rest.split_once('/').map_or("", |(_, prefix)| prefix);
        let store: object_store::Result<Box<dyn ObjectStore>> = match scheme {
            "s3" => AmazonS3Builder::from_env().with_url(url).build().map(|store| Box::new(store) as _),
            "gs" => {
                GoogleCloudStorageBuilder::from_env().with_url(url).build().map(|store| Box::new(store) as _)
            }
            "az" => MicrosoftAzureBuilder::from_env().with_url(url).build().map(|store| Box::new(store) as _),
            _ => {
                return Err(HeadError::Setting(format!(
                    "{url}: expected a folder, or s3://, gs:// or az:// with a bucket"
                )));
            }
        };
        let io = |e: io::Error| HeadError::io(url, e);
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            prefix: Key::from(prefix),
            store: store.map_err(|e| io(e.into()))?,
            runtime: Builder::new_current_thread().enable_all().build().map_err(io)?,
        })
    }

    fn key(&self, store: &str) -> Key {
        self.prefix.clone().join(store)
    }

    fn failed(&self, key: &Key, error: object_store::Error) -> HeadError {
        HeadError::io(format!("{} ({key})", self.url), error.into())
    }
}

impl Depot for Bucket {
    fn stores(&self) -> Result<BTreeSet<String>, HeadError> {
        let list = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.prefix)));
        let list = list.map_err(|e| self.failed(&self.prefix, e))?;
        Ok(list.common_prefixes.iter().filter_map(|key| Some(key.filename()?.to_owned())).collect())
    }

    fn files(&self, store: &str) -> Result<BTreeSet<String>, HeadError> {
        let key = self.key(store);
        let list = self.runtime.block_on(self.store.list_with_delimiter(Some(&key)));
        let list = list.map_err(|e| self.failed(&key, e))?;
        Ok(list.objects.iter().filter_map(|object| Some(object.location.filename()?.to_owned())).collect())
    }

    fn get(&self, store: &str, name: &str) -> Result<Vec<u8>, HeadError> {
        let key = self.key(store).join(name);
        let bytes = self.runtime.block_on(async { self.store.get(&key).await?.bytes().await });
        bytes.map(Vec::from).map_err(|e| self.failed(&key, e))
    }

    fn put(&self, store: &str, name: &str, bytes: Vec<u8>) -> Result<(), HeadError> {
        let key = self.key(store).join(name);
        let put = self.runtime.block_on(self.store.put(&key, bytes.into()));
        put.map(|_| ()).map_err(|e| self.failed(&key, e))
    }

    fn place(&self) -> PathBuf {
        PathBuf::from(&self.url)
    }
}

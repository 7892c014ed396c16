//! `wasi:keyvalue`: what `storage` keeps, under names that components were written for elsewhere. Permission, keys, quota and
//! the number of calls are those of `storage`, and so are the values.
//!
//! `wasmtime-wasi-keyvalue` is not used: its buckets are in memory and have no trait behind which a store could stand.

use wasmtime::component::Resource;

use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::contract::ciba::interception::storage::{self, Condition, Entry};
use super::super::contract::drafts::wasi::keyvalue::store::{Error, Host, HostBucket, KeyResponse};
use super::super::contract::drafts::wasi::keyvalue::{atomics, batch};
use super::super::guest::{BucketHandle, Guest};
use super::storage::KEYS_MAX;

/// The only bucket a plugin has, by the names that it is opened by elsewhere.
const BUCKET: [&str; 2] = ["", "default"];
/// How often a sum is read again, because somebody else wrote: of those who write at once one is always through. Each try is
/// two calls of `storage`, of which a call of a hook has a hundred.
const TRIES: u32 = 40;
/// Pages of keys that one handle remembers.
const PAGES_MAX: usize = 1_000;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotPermitted(_) => Self::AccessDenied,
            Refusal::OverLimit(what) | Refusal::Unavailable(what) | Refusal::Other(what) => Self::Other(what),
        }
    }
}

impl Guest {
    async fn kept(&mut self, key: String) -> Result<Option<Entry>, Error> {
        Ok(storage::Host::get(self, key).await?)
    }

    /// Answers whether the condition held.
    async fn write(&mut self, key: String, value: Vec<u8>, when: Condition) -> Result<bool, Error> {
        Ok(storage::Host::set(self, key, value, None, when).await?.is_some())
    }

    async fn remove(&mut self, key: String) -> Result<(), Error> {
        storage::Host::delete(self, key, Condition::Always).await?;
        Ok(())
    }
}

impl Host for Guest {
    async fn open(&mut self, identifier: String) -> Result<Resource<BucketHandle>, Error> {
        if !BUCKET.contains(&identifier.as_str()) {
            return Err(Error::NoSuchStore);
        }
        self.may_keep()?;
        self.table.push(BucketHandle::default()).map_err(|_| Error::Other("too many handles: drop some".to_owned()))
    }
}

impl HostBucket for Guest {
    async fn get(&mut self, _: Resource<BucketHandle>, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.kept(key).await?.map(|entry| entry.value))
    }

    async fn set(&mut self, _: Resource<BucketHandle>, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.write(key, value, Condition::Always).await.map(drop)
    }

    async fn delete(&mut self, _: Resource<BucketHandle>, key: String) -> Result<(), Error> {
        self.remove(key).await
    }

    async fn exists(&mut self, _: Resource<BucketHandle>, key: String) -> Result<bool, Error> {
        Ok(self.kept(key).await?.is_some())
    }

    async fn list_keys(&mut self, bucket: Resource<BucketHandle>, cursor: Option<u64>) -> Result<KeyResponse, Error> {
        let unknown = || Error::Other("this handle gave no such cursor".to_owned());
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let pages = &self.table.get(&bucket).map_err(|_| unknown())?.pages;
                let page = usize::try_from(cursor).ok().and_then(|page| pages.get(page));
                Some(page.ok_or_else(unknown)?.clone())
            }
        };
        let keys = storage::Host::keys(self, String::new(), after).await?;
        let last = keys.last().filter(|_| keys.len() >= KEYS_MAX as usize).cloned();
        let Some(last) = last else { return Ok(KeyResponse { keys, cursor: None }) };
        let pages = &mut self.table.get_mut(&bucket).map_err(|_| unknown())?.pages;
        let page = match pages.iter().position(|page| *page == last) {
            Some(page) => page,
            None if pages.len() >= PAGES_MAX => return Err(Error::Other("too many pages: open the bucket again".to_owned())),
            None => {
                pages.push(last);
                pages.len() - 1
            }
        };
        Ok(KeyResponse { keys, cursor: Some(page as u64) })
    }

    async fn drop(&mut self, bucket: Resource<BucketHandle>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Guest {
    async fn increment(&mut self, _: Resource<BucketHandle>, key: String, delta: u64) -> Result<u64, Error> {
        for _ in 0..TRIES {
            let (sum, when) = match self.kept(key.clone()).await? {
                None => (0, Condition::Absent),
                Some(Entry { value, version }) => {
                    let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<u64>().ok());
                    let number = number.ok_or_else(|| Error::Other("what is kept there is no number in decimal digits".to_owned()))?;
                    (number, Condition::Unchanged(version))
                }
            };
            let sum = sum.checked_add(delta).ok_or_else(|| Error::Other("the sum is larger than 64 bits".to_owned()))?;
            if self.write(key.clone(), sum.to_string().into_bytes(), when).await? {
                return Ok(sum);
            }
        }
        Err(Error::Other("too many others count there".to_owned()))
    }
}

impl batch::Host for Guest {
    async fn get_many(&mut self, _: Resource<BucketHandle>, keys: Vec<String>) -> Result<Vec<Option<(String, Vec<u8>)>>, Error> {
        let mut found = Vec::new();
        for key in keys {
            found.push(self.kept(key.clone()).await?.map(|entry| (key, entry.value)));
        }
        Ok(found)
    }

    /// One after the other: where one is refused, those before it stay.
    async fn set_many(&mut self, _: Resource<BucketHandle>, key_values: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        for (key, value) in key_values {
            self.write(key, value, Condition::Always).await?;
        }
        Ok(())
    }

    async fn delete_many(&mut self, _: Resource<BucketHandle>, keys: Vec<String>) -> Result<(), Error> {
        for key in keys {
            self.remove(key).await?;
        }
        Ok(())
    }
}

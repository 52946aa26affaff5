//! Storage for the features of one run: the cache, or a scratch folder if the cache is
//! disabled or not writable.

use super::images::Image;
use crate::cli::{Context, Failure, ResultExt};
use crate::io::cache::{Cache, Entry};
use crate::io::staging::Temporary;
use crate::pipeline::Job;

/// Features of one run, by the key of the image.
pub struct Store<'a> {
    ctx: &'a Context,
    job: &'a Job,
    cache: Option<Cache>,
    scratch: Option<(Temporary, Cache)>,
}

impl<'a> Store<'a> {
    /// Store that uses `cache`. Without a cache, or after a failed write, features are kept in a
    /// scratch folder until the end of the run.
    pub fn new(ctx: &'a Context, job: &'a Job, cache: Option<Cache>) -> Self {
        Self { ctx, job, cache, scratch: None }
    }

    /// Returns the images without usable features. Entries that cannot be used are
    /// reported in one warning.
    pub fn missing<'f>(&self, images: &'f [Image]) -> Vec<&'f Image> {
        let mut unusable = Vec::new();
        let mut missing = Vec::new();
        for image in images {
            match self.cache.as_ref().map_or(Entry::Miss, |c| c.get(&image.key, image.len())) {
                Entry::Hit(_) => continue,
                Entry::Miss => {}
                Entry::Unusable(path, reason) => unusable.push((path, reason)),
            }
            missing.push(image);
        }
        if let Some((path, reason)) = unusable.first() {
            let more = match unusable.len() {
                1 => String::new(),
                n => format!(", and {} more entries", n - 1),
            };
            self.ctx.ui.warn(format_args!(
                "cannot use the cache entry `{}` ({reason}){more}: its features are computed again",
                path.display()
            ));
        }
        missing
    }

    /// Returns the features of `image`, if they are stored.
    pub fn get(&self, image: &Image) -> Option<Vec<f32>> {
        let caches = self.cache.iter().chain(self.scratch.iter().map(|(_, cache)| cache));
        caches.into_iter().find_map(|cache| match cache.get(&image.key, image.len()) {
            Entry::Hit(features) => Some(features),
            _ => None,
        })
    }

    /// Stores the features of `image`.
    ///
    /// # Errors
    /// If neither the cache nor the scratch folder can be written.
    pub fn put(&mut self, image: &Image, features: &[f32]) -> Result<(), Failure> {
        if let Some(cache) = &self.cache
            && self.scratch.is_none()
        {
            let Err(error) = cache.put(&image.key, features) else { return Ok(()) };
            self.ctx.ui.warn(format_args!(
                "{error} ({}): the features of this run are not cached",
                error.source
            ));
        }
        self.put_in_scratch(image, features)
    }

    /// Stores the features of `image` in the scratch folder, which no other process prunes.
    ///
    /// # Errors
    /// If the scratch folder cannot be written.
    pub fn put_in_scratch(&mut self, image: &Image, features: &[f32]) -> Result<(), Failure> {
        if self.scratch.is_none() {
            let folder = self.job.scratch()?;
            let cache = Cache::new(folder.path());
            self.scratch = Some((folder, cache));
        }
        let (_, cache) = self.scratch.as_ref().expect("created above");
        cache.put(&image.key, features).hint("check the free space on the disk")
    }
}

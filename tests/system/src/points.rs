//! Points at which the processes of a world die, wait, or say that they were there: the test's side
//! of `runtime::crash`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The directory that arms them.
#[derive(Debug, Clone)]
pub struct Points(PathBuf);

impl Points {
    pub(crate) fn in_directory(directory: PathBuf) -> Self {
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// Has whoever passes the point next die there, once.
    pub fn arm(&self, point: &str) {
        File::create(self.0.join(point)).unwrap();
    }

    /// Nobody has died of the point that was armed.
    pub fn is_armed(&self, point: &str) -> bool {
        self.0.join(point).exists()
    }

    /// Takes back what [`Points::arm`] did.
    pub fn disarm(&self, point: &str) {
        let _died_of = fs::remove_file(self.0.join(point));
    }

    /// Has whoever passes the point wait there.
    pub fn hold(&self, point: &str) {
        self.forget(&format!("{point}.held"));
        File::create(self.0.join(format!("{point}.hold"))).unwrap();
    }

    /// Somebody waits at the point.
    pub fn is_held(&self, point: &str) -> bool {
        self.0.join(format!("{point}.held")).exists()
    }

    /// Lets whoever waits at the point go on.
    pub fn release(&self, point: &str) {
        self.forget(&format!("{point}.hold"));
    }

    /// Lets everybody go on, and has nobody die any more.
    pub fn release_all(&self) {
        let _gone = fs::remove_dir_all(&self.0);
    }

    /// Somebody has passed the point since [`Points::forget_seen`].
    pub fn is_seen(&self, point: &str) -> bool {
        self.0.join(format!("{point}.seen")).exists()
    }

    /// Every point that was passed since then, in alphabetical order.
    pub fn seen(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let seen = names.filter_map(|name| name.strip_suffix(".seen").map(str::to_owned));
        let mut seen: Vec<String> = seen.collect();
        seen.sort();
        seen
    }

    /// What was passed so far counts no more.
    pub fn forget_seen(&self) {
        for point in self.seen() {
            self.forget(&format!("{point}.seen"));
        }
    }

    fn forget(&self, name: &str) {
        let _absent = fs::remove_file(self.0.join(name));
    }
}

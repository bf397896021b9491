//! An engine of the test's own that is upgraded as a distribution does it: the program's file is
//! exchanged while processes run it.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use runtime::durable;
use tempfile::TempDir;

/// An installed engine.
pub struct Package {
    directory: TempDir,
    kind: &'static str,
    original: Vec<u8>,
    version: String,
}

impl Package {
    /// Installs a copy of `valkey-server` or `redis-server`.
    pub fn install(engine: &str) -> Self {
        let kind = match engine {
            "valkey" => "valkey-server",
            _ => "redis-server",
        };
        let search = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&search).map(|directory| directory.join(kind));
        let found = found
            .filter(|path| path.is_file())
            .find_map(|path| fs::read(path).ok());
        let original = found.unwrap_or_else(|| panic!("{kind} is not installed"));
        let mut package = Self {
            directory: tempfile::tempdir().unwrap(),
            kind,
            original,
            version: String::new(),
        };
        let original = package.original.clone();
        package.put(&original);
        package.version = package.asked();
        package
    }

    /// The program's path.
    pub fn program(&self) -> PathBuf {
        self.directory.path().join(self.kind)
    }

    /// The version that was installed first, such as `8.0.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Puts the same engine in the program's place, under the next patch version, which is returned.
    pub fn upgrade(&self) -> String {
        let next = self.next();
        let bytes = replaced(&self.original, self.version.as_bytes(), next.as_bytes());
        self.put(&bytes);
        assert_eq!(self.asked(), next);
        next
    }

    /// Puts a program in its place that tells the next patch version and does not run.
    pub fn break_it(&self) -> String {
        let next = self.next();
        let name = if self.kind.starts_with("valkey") {
            "Valkey"
        } else {
            "Redis"
        };
        let told = format!("{name} server v={next} sha=00000000:0 malloc=libc bits=64 build=bad");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo '{told}' && exit 0\necho 'no such luck' >&2\nexit 1\n"
        );
        self.put(script.as_bytes());
        next
    }

    fn next(&self) -> String {
        let (head, patch) = self.version.rsplit_once('.').unwrap();
        let patch: u32 = patch.parse().unwrap();
        let next = format!("{head}.{}", patch + 1);
        assert_eq!(next.len(), self.version.len(), "{next}");
        next
    }

    /// Exchanges the file as package managers do: running processes keep the old one.
    fn put(&self, bytes: &[u8]) {
        let new = self.directory.path().join("new");
        durable::write_durable(&new, bytes).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        durable::durable_rename(&new, &self.program()).unwrap();
    }

    fn asked(&self) -> String {
        version_of(&self.program())
    }
}

fn version_of(program: &Path) -> String {
    let output = std::process::Command::new(program)
        .arg("--version")
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let version = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="));
    version.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = bytes.to_vec();
    let windows = bytes.windows(from.len()).enumerate();
    for (start, _) in windows.filter(|(_, window)| *window == from) {
        result[start..start + to.len()].copy_from_slice(to);
    }
    result
}

//! Writes the inputs to begin with into the corpora: `cargo run -p fuzz_replay --example seeds`.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

fn main() -> io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, inputs) in fuzz_replay::seeds() {
        let directory = corpora.join(name);
        fs::create_dir_all(&directory)?;
        for (number, input) in inputs.iter().enumerate() {
            File::create(directory.join(format!("seed-{number:03}")))?.write_all(input)?;
        }
    }
    Ok(())
}

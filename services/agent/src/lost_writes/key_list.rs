//! The form in which keys are written down and sent: RESP arrays without doubles, in order.

use resp::{Touch, write_command};

/// Appends what was touched: `[database, key]`, `[database]` for any key of one, `[]` for any key
/// at all. A database that is not known is empty.
pub(super) fn write(out: &mut Vec<u8>, touch: &Touch) {
    let shown = |database: Option<u32>| database.map(|number| number.to_string());
    match touch {
        Touch::Key { database, key } => {
            let database = shown(*database).unwrap_or_default();
            write_command(out, &[database.as_bytes(), key]);
        }
        Touch::Database(database) => {
            let database = shown(*database).unwrap_or_default();
            write_command(out, &[database.as_bytes()]);
        }
        Touch::Everything => write_command(out, &[]),
    }
}

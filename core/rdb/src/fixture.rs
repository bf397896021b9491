//! Fixture, for tests alone: small snapshots as engines from Redis 2.8 to 6 wrote them, in the
//! encodings of their time, which today's engines still read (`rdb.c`, `ziplist.c`, `zipmap.c`,
//! `intset.c`). Nothing of it is part of Godwit's work: that uses the engines' own writers and loaders.

use crate::crc64;

const STRING: u8 = 0;
const LIST: u8 = 1;
const SET: u8 = 2;
const HASH: u8 = 4;
const HASH_ZIPMAP: u8 = 9;
const LIST_ZIPLIST: u8 = 10;
const SET_INTSET: u8 = 11;
const HASH_ZIPLIST: u8 = 13;
const LIST_QUICKLIST: u8 = 14;
const AUX: u8 = 0xfa;
const EXPIRES_MS: u8 = 0xfc;
const SELECT_DB: u8 = 0xfe;
const END: u8 = 0xff;

/// A snapshot that is being written.
#[derive(Debug, Clone)]
pub struct Snapshot {
    version: u16,
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Begins one, with database 0.
    #[must_use]
    pub fn new(version: u16) -> Self {
        let mut bytes = format!("REDIS{version:04}").into_bytes();
        if version >= 7 {
            bytes.push(AUX);
            text(&mut bytes, b"redis-ver");
            text(&mut bytes, b"4.0.0");
        }
        Self { version, bytes }.database(0)
    }

    /// What follows is in this database.
    #[must_use]
    pub fn database(mut self, index: u32) -> Self {
        self.bytes.push(SELECT_DB);
        length(&mut self.bytes, index as usize);
        self
    }

    /// The next key expires at this moment, in milliseconds since 1970.
    #[must_use]
    pub fn expires(mut self, at_ms: u64) -> Self {
        self.bytes.push(EXPIRES_MS);
        self.bytes.extend(at_ms.to_le_bytes());
        self
    }

    /// A string.
    #[must_use]
    pub fn string(self, key: &[u8], value: &[u8]) -> Self {
        self.key(STRING, key).text(value)
    }

    /// A list, each element for itself.
    #[must_use]
    pub fn list(self, key: &[u8], items: &[&[u8]]) -> Self {
        self.key(LIST, key).texts(items, items.len())
    }

    /// A short list, as the version packs it: one ziplist, or a quicklist of one.
    #[must_use]
    pub fn short_list(self, key: &[u8], items: &[&[u8]]) -> Self {
        if self.version < 7 {
            return self.key(LIST_ZIPLIST, key).text(&ziplist(items));
        }
        let mut quick = self.key(LIST_QUICKLIST, key);
        length(&mut quick.bytes, 1);
        quick.text(&ziplist(items))
    }

    /// A set, each member for itself.
    #[must_use]
    pub fn set(self, key: &[u8], members: &[&[u8]]) -> Self {
        self.key(SET, key).texts(members, members.len())
    }

    /// A set of small numbers, in ascending order.
    #[must_use]
    pub fn number_set(self, key: &[u8], members: &[i16]) -> Self {
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let mut packed = 2_u32.to_le_bytes().to_vec();
        packed.extend(count.to_le_bytes());
        packed.extend(members.iter().flat_map(|member| member.to_le_bytes()));
        self.key(SET_INTSET, key).text(&packed)
    }

    /// A hash, each field for itself.
    #[must_use]
    pub fn hash(self, key: &[u8], fields: &[(&[u8], &[u8])]) -> Self {
        let texts: Vec<&[u8]> = fields
            .iter()
            .flat_map(|(name, value)| [*name, *value])
            .collect();
        self.key(HASH, key).texts(&texts, fields.len())
    }

    /// A short hash in a ziplist.
    #[must_use]
    pub fn short_hash(self, key: &[u8], fields: &[(&[u8], &[u8])]) -> Self {
        let texts: Vec<&[u8]> = fields
            .iter()
            .flat_map(|(name, value)| [*name, *value])
            .collect();
        self.key(HASH_ZIPLIST, key).text(&ziplist(&texts))
    }

    /// A short hash as Redis 2.4 packed it, which later versions still load.
    #[must_use]
    pub fn zipmap(self, key: &[u8], fields: &[(&[u8], &[u8])]) -> Self {
        let mut packed = vec![byte(fields.len())];
        for (name, value) in fields {
            packed.push(byte(name.len()));
            packed.extend_from_slice(name);
            packed.push(byte(value.len()));
            packed.push(0);
            packed.extend_from_slice(value);
        }
        packed.push(END);
        self.key(HASH_ZIPMAP, key).text(&packed)
    }

    /// The whole file, with its checksum.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let checksum = crc64(0, &self.bytes);
        self.bytes.extend(checksum.to_le_bytes());
        self.bytes
    }

    fn key(mut self, kind: u8, key: &[u8]) -> Self {
        self.bytes.push(kind);
        self.text(key)
    }

    fn text(mut self, bytes: &[u8]) -> Self {
        text(&mut self.bytes, bytes);
        self
    }

    fn texts(mut self, texts: &[&[u8]], count: usize) -> Self {
        length(&mut self.bytes, count);
        for each in texts {
            text(&mut self.bytes, each);
        }
        self
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// 6 bits, 14 bits or 32 bits.
fn length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let [.., high, low] = length.to_be_bytes();
    match length {
        ..0x40 => out.push(low),
        0x40..0x4000 => out.extend([0x40 | high, low]),
        0x4000.. => {
            out.push(0x80);
            out.extend(length.to_be_bytes());
        }
    }
}

/// Entries of up to 63 bytes, all as texts.
fn ziplist(items: &[&[u8]]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut before = 0;
    let mut last = 0;
    for item in items {
        last = entries.len();
        entries.push(byte(before));
        entries.push(byte(item.len()));
        entries.extend_from_slice(item);
        before = item.len() + 2;
    }
    const HEADER: usize = 10;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = number(HEADER + entries.len() + 1).to_vec();
    out.extend(number(HEADER + last));
    out.extend(u16::try_from(items.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(entries);
    out.push(END);
    out
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

//! The checksum at a snapshot's end: CRC-64 with the polynomial of D. T. Jones
//! (`0xad93d23594c935a9`), reflected, from 0 and without a final inversion (`crc64.c` of the engines).

/// The polynomial with its bits in reverse.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// For eight bytes at a time: table `k` is what a byte does that has `k` bytes behind it.
static TABLES: [[u64; 256]; 8] = tables();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks"
)]
const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// Goes on with a checksum; the first one is 0.
#[must_use]
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let mut crc = crc;
    for eight in eights {
        let [a, b, c, d, e, f, g, h] = (crc ^ u64::from_le_bytes(*eight)).to_le_bytes();
        crc = at(t7, a)
            ^ at(t6, b)
            ^ at(t5, c)
            ^ at(t4, d)
            ^ at(t3, e)
            ^ at(t2, f)
            ^ at(t1, g)
            ^ at(t0, h);
    }
    for byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = at(t0, low ^ byte) ^ (crc >> 8);
    }
    crc
}

#[expect(
    clippy::indexing_slicing,
    reason = "a byte is less than 256, and the compiler knows"
)]
fn at(table: &[u64; 256], byte: u8) -> u64 {
    table[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_the_engines_checksum() {
        // The value that the engines' own test has (`crc64Test`).
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
    }

    proptest! {
        #[test]
        fn pieces_come_to_the_same_as_the_whole(bytes: Vec<u8>, at in 0_usize..64) {
            let (one, two) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(crc64(crc64(0, one), two), crc64(0, &bytes));
        }
    }
}

//! What comes out of the decoder, and that cuts do not matter.

use proptest::prelude::*;

use crate::write_command;

use super::*;

const LIMITS: Limits = Limits {
    args: 8,
    word_bytes: 100,
    command_bytes: 300,
    line_bytes: 64,
};

fn decode(chunks: &[&[u8]]) -> (Vec<Item>, Option<DecodeError>) {
    let mut decoder = CommandDecoder::new(LIMITS);
    let mut items = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk);
        loop {
            match decoder.next_item() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
    }
    (items, None)
}

fn command(words: &[&str]) -> Item {
    Item::Command(
        words
            .iter()
            .map(|w| Bytes::copy_from_slice(w.as_bytes()))
            .collect(),
    )
}

#[test]
fn arrays_inline_words_and_newlines_are_read() {
    let (items, error) = decode(&[b"*2\r\n$4\r\nPING\r\n$0\r\n\r\n\nPING  me\r\n\r\n"]);
    let expected = [
        command(&["PING", ""]),
        Item::Newline,
        command(&["PING", "me"]),
        Item::Newline,
    ];
    assert_eq!((items, error), (expected.to_vec(), None));
}

#[test]
fn what_is_not_canonical_is_refused() {
    for bad in [
        "*01\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*+1\r\n",
        "*1\n",
        "* 1\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$04\r\nPING\r\n",
        "*1\r\n$4\nPING\r\n",
        "*1\r\n$4\r\nPINGxx",
        "*9\r\n",
        "*1\r\n$101\r\n",
        "*99999999999999999999\r\n",
        "say \"hello\"\r\n",
        "\x01\r\n",
    ] {
        let (items, error) = decode(&[bad.as_bytes()]);
        assert!(
            items.is_empty() && error.is_some(),
            "{bad:?}: {items:?} {error:?}"
        );
    }
}

#[test]
fn the_limit_on_a_command_counts_all_its_words() {
    let word = "$100\r\n".to_owned() + &"x".repeat(100) + "\r\n";
    let text = "*4\r\n".to_owned() + &word.repeat(4);
    let (_, error) = decode(&[text.as_bytes()]);
    assert!(
        matches!(error, Some(DecodeError::TooLarge { found: 400, .. })),
        "{error:?}"
    );
}

#[test]
fn a_line_without_end_is_refused_at_the_limit() {
    let (_, error) = decode(&[&[b'a'; 66]]);
    assert_eq!(error, Some(DecodeError::LineTooLong { limit: 64 }));
}

#[test]
fn nothing_comes_after_an_error() {
    let mut decoder = CommandDecoder::new(LIMITS);
    decoder.feed(b"*x\r\nPING\r\n");
    assert!(decoder.next_item().is_err());
    decoder.feed(b"PING\r\n");
    assert_eq!(decoder.next_item(), Err(DecodeError::Ended));
}

proptest! {
    #[test]
    fn encoded_commands_come_back_whatever_the_cuts(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
            0..5,
        ),
        cut in 1usize..17,
    ) {
        let mut bytes = Vec::new();
        for words in &commands {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            write_command(&mut bytes, &words);
        }
        let chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
        let (items, error) = decode(&chunks);
        let expected: Vec<Item> = commands
            .into_iter()
            .map(|words| Item::Command(words.into_iter().map(Bytes::from).collect()))
            .collect();
        prop_assert_eq!((items, error), (expected, None));
    }

    #[test]
    fn every_split_of_any_bytes_gives_the_same(
        bytes in prop::collection::vec(
            prop::sample::select(b"*$0123\r\n aPING".to_vec()), 0..60),
        at in 0usize..61,
    ) {
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        let halves = decode(&[left, right]);
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&halves, &decode(&[&bytes]));
        prop_assert_eq!(&halves, &decode(&singles));
    }
}

//! Requests and replies that nearly are some, against the readers that have all bytes.

use proptest::prelude::*;

/// Pieces of requests; put together they are nearly one.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let argument = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..6),
        1 => prop::collection::vec(any::<u8>(), 60..70),
        1 => prop::sample::select(vec!["POST", "host:", "\r\n", "$1\r\nx\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let command = prop::collection::vec(argument, 1..12).prop_map(|words| {
        let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        resp::write_command(&mut out, &words);
        out
    });
    let bytes = prop_oneof![
        6 => command,
        3 => r"[*$][-+0-9]{0,3}(\r|\n|\r\n|\r\n\r\n|\x00)".prop_map(String::into_bytes),
        2 => r#"[ a-z"'\\x0-9\t\x0b\r\x00]{0,14}\r?\n"#.prop_map(String::into_bytes),
        1 => "[*$][0-9]{90,110}(\r\n)?".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    pieces(bytes)
}

/// Pieces of replies; put together they are nearly one.
fn replies() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        4 => r"[*%~>|][0-4]\r\n".prop_map(String::into_bytes),
        4 => r"[-+(][a-z]{0,9}\r\n".prop_map(String::into_bytes),
        2 => "[,:]-?(0|[1-9][0-9]{0,19})\r\n".prop_map(String::into_bytes),
        2 => prop::sample::select(vec!["_\r\n", "#t\r\n", "$-1\r\n", "*-1\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::sample::select(vec!["$9\r\nsubscribe\r\n", "$7\r\nmessage\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => (0usize..700).prop_map(|length| format!("${length}\r\n{:1$}\r\n", "", length).into_bytes()),
        1 => r"[-+:$*!=_#,(%~>|][-0-9a-z]{0,3}(\r|\n|\r\n)".prop_map(String::into_bytes),
    ];
    pieces(bytes)
}

fn pieces(piece: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), prop::collection::vec(piece, 0..12)).prop_map(|(mode, pieces)| {
        let mut out = vec![mode];
        out.extend_from_slice(&pieces.concat());
        out
    })
}

proptest! {
    #[test]
    fn what_is_passed_on_is_what_an_engine_reads(bytes in requests()) {
        fuzz_replay::request_frames(&bytes);
    }

    #[test]
    fn replies_end_where_a_reader_of_all_bytes_has_them_end(bytes in replies()) {
        fuzz_replay::reply_frames(&bytes);
    }
}

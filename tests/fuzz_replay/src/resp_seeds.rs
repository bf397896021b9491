//! Requests and replies to begin with: those that an engine and a strict reader read differently,
//! and those of every kind.

use crate::seeds::with_modes;

/// For `request_frames`.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 26] = [
        b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
        b"*1\rX$4\rXPING\r\n*1\r\n$4\r\nPING\r\n",
        b"*1\r\n$4\r\nPINGXX*1\r\n$4\r\nPING\r\n",
        b"*1\r\n$4\r\nPING*1\r\n$8\r\nFLUSHALL\r\n",
        b"*0\r\n*-1\r\n*-5\r\n\r\n\n*1\r\n$4\r\nPING\r\n",
        b"*+1\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"*1\r\n$+4\r\nPING\r\n",
        b"*1\r\n$04\r\nPING\r\n",
        b"* 1\r\n$4\r\nPING\r\n",
        b"*2147483647\r\n$1\r\nx\r\n",
        b"*2147483648\r\n",
        b"*1048576\r\n$1\r\nx\r\n$1\r\ny\r\n",
        b"*1\r\n$536870913\r\n",
        b"*2\r\n$1\r\nx\r\n$536870912\r\nabc",
        b"*11\r\n$1\r\nx\r\n",
        b"*2\r\n$1\r\nx\r\n$16385\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n",
        b"PING\0\r\n*1\0\r\n",
        b"*1\0\r\n*1\r\n\0\r\n",
        b"set k \"\\x41\\n\\q\" 'a\\'b' foo\"bar\"\r\n\"\" x\n",
        b"set k \"a\"b\r\n",
        b"set 'a\r\n",
        b"GET / HTTP/1.1\r\nHost: cache\r\n\r\n",
        b"*1\r\n$4\r\nPost\r\n",
        b"+PING\r\nPROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n \x0b\x0c\t\r\nx\x0by\r\n",
    ];
    let mut inputs: Vec<_> = texts.map(<[u8]>::to_vec).to_vec();
    inputs.push([b"*", &[b'1'; 120][..], b"\r\n"].concat());
    inputs.push([b"*1\r\n$", &[b'1'; 120][..], b"\r\n"].concat());
    inputs.push([&[b'x'; 96][..], b"\n", &[b'x'; 97], b"\n"].concat());
    let words: [&[u8]; 3] = [b"SET", b"k", &[b'x'; 100]];
    let mut large = Vec::new();
    resp::write_command(&mut large, &words);
    resp::write_command(&mut large, &[&b"x"[..]; 9]);
    inputs.push(large);
    with_modes(&[0, 1 | 4 << 2, 2], inputs)
}

/// For `reply_frames`.
pub(crate) fn replies() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 16] = [
        b"+OK\r\n-ERR no\r\n:-5\r\n$2\r\nhi\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n",
        b"_\r\n#t\r\n#f\r\n,1.5e+300\r\n,-inf\r\n,nan\r\n(12345678901234567890123\r\n",
        b"!5\r\nERR x\r\n=7\r\ntxt:a\nb\r\n%1\r\n+a\r\n:1\r\n~2\r\n:1\r\n:2\r\n",
        b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$2\r\nhi\r\n+OK\r\n",
        b"*2\r\n|1\r\n+a\r\n:1\r\n:2\r\n*1\r\n|0\r\n~0\r\n:1\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
        b">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nhi\r\n:1\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n",
        b"*2\r\n>3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nhi\r\n:1\r\n_\r\n+OK\r\n",
        b"*2\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:3\r\n_\r\n",
        b"*1\r\n*2\r\n-ERR reached lua stack limit\r\n:1\r\n+OK\r\n",
        b"*?\r\n:1\r\n.\r\n",
        b"$?\r\n;1\r\nx\r\n;0\r\n",
        b"+a\rb\r\n",
        b"$-2\r\n",
        b"$1\r\nxx\r\n",
        b"*999999999999999999\r\n%999999999999999999\r\n:1\r\n",
    ];
    let mut inputs: Vec<_> = texts.map(<[u8]>::to_vec).to_vec();
    inputs.push([b"*2\r\n$700\r\n", &[b'x'; 700][..], b"\r\n:1\r\n+OK\r\n"].concat());
    inputs.push([b"-", &[b'x'; 700][..], b"\r\n+OK\r\n"].concat());
    inputs.push([b"|1\r\n+a\r\n$700\r\n", &[b'x'; 700][..], b"\r\n:1\r\n"].concat());
    inputs.push(b"*1\r\n".repeat(200));
    with_modes(&[0, 6, 255], inputs)
}

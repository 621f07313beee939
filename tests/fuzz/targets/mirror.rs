//! Headers made of arguments agree with them, are header text, and none of them can be left out.
#![no_main]

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use kit::DEPTH;
use libfuzzer_sys::fuzz_target;
use myelin::{
    jsonrpc::Raw,
    mcp::{Mirror, decode_value, encode_value},
};

// `{"schema": …, "arguments": …}`, or a text.
fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(decode_value(encode_value(text).as_bytes()).as_deref(), Ok(text));
    }
    let _ = decode_value(data);
    let Ok(input) = Raw::parse(Bytes::copy_from_slice(data), DEPTH) else { return };
    let (Some(schema), Some(arguments)) = (input.member("schema"), input.member("arguments")) else { return };
    if let Ok(mirror) = Mirror::compile(&schema) {
        mirrored(&mirror, &arguments);
    }
});

fn mirrored(mirror: &Mirror, arguments: &Raw) {
    let made = mirror.headers(Some(arguments));
    let mut given: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in &made {
        let name = HeaderName::try_from(format!("mcp-param-{name}")).expect("a name is a token");
        let value = HeaderValue::from_str(value).expect("a value is header text");
        given.push((name.as_str()["mcp-param-".len()..].to_owned(), value.as_bytes().to_vec()));
    }
    assert_eq!(mirror.check(Some(arguments), &given), Ok(()));
    if given.pop().is_some() {
        assert!(mirror.check(Some(arguments), &given).is_err());
    }
}

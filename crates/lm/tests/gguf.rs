//! GGUF files as they should be and as they should not be.

mod gguf_writer;

use candle_core::quantized::GgmlDType;
use gguf_writer::{Writer, array, key, numbers, string, strings};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use toolken_lm::{Array, Gguf, LmError, Value};

/// Remembers the largest allocation: what a hostile file asks for must never be allocated.
struct Largest(AtomicUsize);

#[global_allocator]
static LARGEST: Largest = Largest(AtomicUsize::new(0));

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

/// The files of these tests are all smaller than this.
fn nothing_large_was_allocated() {
    let largest = LARGEST.0.load(Ordering::Relaxed);
    assert!(largest < 1 << 20, "{largest} bytes were allocated at once");
}

/// Two tensors and one key of each kind.
fn valid() -> Writer {
    let mut data: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    data.resize(32, 0);
    data.extend([7; 34]); // one block of Q8_0
    let nested = [array(0, 2, &[1, 2]), array(7, 1, &[1])].concat();
    let keys = vec![
        key("u8", 0, &[200]),
        key("i8", 1, &(-3i8).to_le_bytes()),
        key("u16", 2, &60_000u16.to_le_bytes()),
        key("i16", 3, &(-300i16).to_le_bytes()),
        key("u32", 4, &7u32.to_le_bytes()),
        key("i32", 5, &(-7i32).to_le_bytes()),
        key("f32", 6, &1.5f32.to_le_bytes()),
        key("bool", 7, &[1]),
        key("string", 8, &string("Größe".as_bytes())),
        key("strings", 9, &strings(&["a", ""])),
        key("u64", 10, &(1u64 << 40).to_le_bytes()),
        key("i64", 11, &9i64.to_le_bytes()),
        key("f64", 12, &2.5f64.to_le_bytes()),
        key("floats", 9, &array(6, 1, &0.5f32.to_le_bytes())),
        key("numbers", 9, &numbers(&[1, 6])),
        key("nested", 9, &array(9, 2, &nested)),
    ];
    let tensors = vec![("a.weight".into(), vec![3, 2], 0, 0), ("b.weight".into(), vec![32], 8, 32)];
    Writer { tensors, data, ..Writer::with_keys(keys) }
}

fn refusal(bytes: Vec<u8>) -> String {
    match Gguf::from_bytes(bytes) {
        Err(error @ LmError::File { .. }) => error.to_string(),
        Err(other) => panic!("another kind of error: {other}"),
        Ok(_) => panic!("the file was accepted"),
    }
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn a_valid_file_is_read_whole() {
    let gguf = Gguf::from_bytes(valid().bytes()).unwrap();
    assert_eq!(gguf.u32("u8").unwrap(), 200);
    assert_eq!(gguf.u32("u16").unwrap(), 60_000);
    assert_eq!(gguf.u32("u32").unwrap(), 7);
    assert_eq!(gguf.u32("i64").unwrap(), 9);
    assert_eq!(gguf.metadata()["i8"], Value::I8(-3));
    assert_eq!(gguf.metadata()["i16"], Value::I16(-300));
    assert_eq!(gguf.f32("f32").unwrap(), 1.5);
    assert_eq!(gguf.f32("f64").unwrap(), 2.5);
    assert!(gguf.bool("bool").unwrap());
    assert_eq!(gguf.str("string").unwrap(), "Größe");
    assert_eq!(gguf.strings("strings").unwrap(), ["a", ""]);
    assert_eq!(gguf.f32s("floats").unwrap(), [0.5]);
    assert_eq!(gguf.u32s("numbers").unwrap(), [1, 6]);
    assert_eq!(
        gguf.metadata()["nested"],
        Value::Array(Array::Array(vec![Array::U8(vec![1, 2]), Array::Bool(vec![true])]))
    );

    let (a, bytes) = gguf.tensor("a.weight").unwrap();
    assert_eq!((a.shape.as_slice(), a.kind, a.bytes), ([2, 3].as_slice(), GgmlDType::F32, 24));
    assert_eq!(bytes[4..8], 1f32.to_le_bytes());
    let (b, bytes) = gguf.tensor("b.weight").unwrap();
    assert_eq!((b.shape.as_slice(), b.kind), ([32].as_slice(), GgmlDType::Q8_0));
    assert_eq!(bytes, [7; 34]);
}

#[test]
fn a_file_on_disk_is_read_like_one_in_memory() {
    let mut writer = valid();
    writer.version = 2;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    std::fs::write(&path, writer.bytes()).unwrap();
    let mapped = Gguf::open(&path).unwrap();
    let owned = Gguf::from_bytes(writer.bytes()).unwrap();
    assert_eq!(mapped.metadata(), owned.metadata());
    assert_eq!(mapped.tensors(), owned.tensors());
    assert_eq!(mapped.path(), path);

    let missing = Gguf::open(dir.path().join("none.gguf")).err().unwrap();
    says(&missing.to_string(), &["none.gguf"]);
    std::fs::write(&path, b"").unwrap();
    says(&Gguf::open(&path).err().unwrap().to_string(), &["tiny.gguf", "fetch it again"]);
}

#[test]
fn getters_name_the_key_and_what_they_found() {
    let gguf = Gguf::from_bytes(valid().bytes()).unwrap();
    says(&gguf.u32("absent").unwrap_err().to_string(), &["\"absent\"", "missing"]);
    assert_eq!(gguf.opt_u32("absent").unwrap(), None);
    says(&gguf.u32("i32").unwrap_err().to_string(), &["\"i32\"", "-7"]);
    says(&gguf.u32("u64").unwrap_err().to_string(), &["\"u64\"", "2^32"]);
    says(&gguf.opt_str("f32").unwrap_err().to_string(), &["\"f32\"", "expected a string"]);
    says(&gguf.u32s("floats").unwrap_err().to_string(), &["\"floats\"", "array"]);
    says(&gguf.tensor("c.weight").unwrap_err().to_string(), &["\"c.weight\""]);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = valid().bytes();
    for len in 0..whole.len() {
        refusal(whole[..len].to_vec());
    }
}

/// Flips cannot all be found (one in a key's name makes another name), but none may panic, and what is accepted must hold
/// together.
#[test]
fn a_flipped_bit_anywhere_in_the_header_does_no_harm() {
    let writer = valid();
    let whole = writer.bytes();
    for at in 0..writer.header().len() {
        for flip in [1, 0x40, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            if let Ok(gguf) = Gguf::from_bytes(damaged) {
                for name in gguf.tensors().keys() {
                    let (info, bytes) = gguf.tensor(name).unwrap();
                    assert_eq!(info.bytes, bytes.len());
                }
            }
        }
    }
    nothing_large_was_allocated();
}

#[test]
fn another_format_or_version_is_named() {
    let mut writer = valid();
    writer.magic = *b"PK\x03\x04";
    says(&refusal(writer.bytes()), &["\"PK", "expected \"GGUF\""]);
    let mut writer = valid();
    writer.version = 1;
    says(&refusal(writer.bytes()), &["version 1", "expected 2 or 3"]);
    writer.version = 3u32.swap_bytes();
    says(&refusal(writer.bytes()), &["big-endian"]);
}

#[test]
fn counts_and_lengths_beyond_the_file_are_refused_before_they_are_allocated() {
    let whole = valid().bytes();
    for at in [8, 16] {
        for count in [u64::MAX, 1 << 62, 1 << 32, 100_000] {
            let mut damaged = whole.clone();
            damaged[at..at + 8].copy_from_slice(&count.to_le_bytes());
            says(&refusal(damaged), &["announces", &count.to_string()]);
        }
    }
    for kind in 0..=12 {
        for count in [u64::MAX, 1 << 61, 1 << 40, 1 << 20] {
            let mut writer = valid();
            writer.keys.push(key("long", 9, &array(kind, count, &[])));
            says(&refusal(writer.bytes()), &["\"long\""]);
        }
    }
    for len in [u64::MAX, 1 << 63, 1 << 40, 1 << 20] {
        let mut writer = valid();
        writer.keys.push(key("long", 8, &len.to_le_bytes()));
        says(&refusal(writer.bytes()), &["long"]);
        let mut writer = valid();
        writer.keys.push(len.to_le_bytes().to_vec());
        says(&refusal(writer.bytes()), &["a metadata key"]);
    }
    nothing_large_was_allocated();
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let with = |name: &str, kind, value: &[u8]| {
        let mut writer = valid();
        writer.keys.push(key(name, kind, value));
        refusal(writer.bytes())
    };
    says(&with("truth", 7, &[2]), &["\"truth\"", "expected 0 or 1"]);
    says(&with("type", 13, &[]), &["\"type\"", "13"]);
    says(&with("types", 9, &array(99, 0, &[])), &["\"types\"", "99"]);
    says(&with("text", 8, &string(&[0xff, 0xfe])), &["text", "UTF-8"]);
    says(&with("u32", 4, &[0; 4]), &["\"u32\"", "twice"]);
    let deep = (0..6).fold(array(0, 0, &[]), |inner, _| array(9, 1, &inner));
    says(&with("deep", 9, &deep), &["\"deep\"", "deeper"]);
    for alignment in [0u32, 3, 1 << 20] {
        says(&with("general.alignment", 4, &alignment.to_le_bytes()), &["general.alignment", "power of two"]);
    }
}

#[test]
fn a_smaller_alignment_is_followed() {
    let mut writer = valid();
    writer.keys.push(key("general.alignment", 4, &8u32.to_le_bytes()));
    writer.alignment = 8;
    writer.data.drain(24..32);
    writer.tensors[1].3 = 24;
    let gguf = Gguf::from_bytes(writer.bytes()).unwrap();
    assert_eq!(gguf.tensor("b.weight").unwrap().1, [7; 34]);
}

#[test]
fn tensors_must_cover_the_data_exactly() {
    let with = |change: &dyn Fn(&mut Writer)| {
        let mut writer = valid();
        change(&mut writer);
        refusal(writer.bytes())
    };
    says(&with(&|w| w.tensors[1].3 = 33), &["b.weight", "33", "expected 32"]);
    says(&with(&|w| w.tensors[1].3 = 0), &["weight", "starts at byte 0"]);
    says(&with(&|w| w.tensors[1].3 = 64), &["b.weight", "64"]);
    says(&with(&|w| w.tensors[1].3 = u64::MAX - 31), &["b.weight"]);
    says(&with(&|w| w.tensors[0].3 = 32), &["weight", "32"]);
    says(&with(&|w| w.tensors[1].1 = vec![64]), &["b.weight", "68 bytes"]);
    says(&with(&|w| w.data.extend([0; 100])), &["after its last tensor"]);
    says(&with(&|w| w.tensors[1].0 = "a.weight".into()), &["a.weight", "twice"]);
}

#[test]
fn shapes_and_types_that_cannot_be_are_refused_by_name() {
    let with = |dims: Vec<u64>, kind| {
        let mut writer = valid();
        writer.tensors[1].1 = dims;
        writer.tensors[1].2 = kind;
        refusal(writer.bytes())
    };
    for dims in [vec![], vec![1; 5]] {
        says(&with(dims, 0), &["b.weight", "dimensions"]);
    }
    for dims in
        [vec![0], vec![33], vec![16, 2], vec![1 << 63, 2], vec![u64::MAX / 31, 32], vec![32, u64::MAX]]
    {
        says(&with(dims, 8), &["b.weight", "Q8_0"]);
    }
    for kind in [4, 9, 10, 11, 15, 16, 24, 29, 31, u32::MAX] {
        says(&with(vec![32], kind), &["b.weight", &format!("type {kind}"), "Q4_K"]);
    }
}

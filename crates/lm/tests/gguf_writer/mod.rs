//! Writes GGUF files, right and wrong ones, following the specification on its own.

/// Builds a GGUF file field by field.
pub struct Writer {
    pub magic: [u8; 4],
    pub version: u32,
    pub keys: Vec<Vec<u8>>,
    /// Name, dimensions as in the file, type, offset.
    pub tensors: Vec<(String, Vec<u64>, u32, u64)>,
    pub data: Vec<u8>,
    pub alignment: usize,
}

pub fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

pub fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&string(name.as_bytes()), &kind.to_le_bytes()[..], value].concat()
}

pub fn array(kind: u32, count: u64, items: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &count.to_le_bytes(), items].concat()
}

/// An array of strings.
pub fn strings<S: AsRef<str>>(texts: &[S]) -> Vec<u8> {
    let items: Vec<u8> = texts.iter().flat_map(|text| string(text.as_ref().as_bytes())).collect();
    array(8, texts.len() as u64, &items)
}

/// An array of `i32`, as token types are stored.
pub fn numbers(values: &[u32]) -> Vec<u8> {
    let items: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    array(5, values.len() as u64, &items)
}

impl Writer {
    /// A file with these keys and no tensors.
    pub fn with_keys(keys: Vec<Vec<u8>>) -> Self {
        Self { magic: *b"GGUF", version: 3, keys, tensors: Vec::new(), data: Vec::new(), alignment: 32 }
    }

    pub fn header(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        self.keys.iter().for_each(|key| out.extend(key));
        for (name, dims, kind, offset) in &self.tensors {
            out.extend(string(name.as_bytes()));
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out.extend(&self.data);
        out
    }
}

//! Metadata values, and what they can be read as.

/// One metadata value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is named after its type
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Array),
}

/// An array of values of one type, kept flat: a byte of the file never becomes a whole [`Value`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is named after its type
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
}

impl Value {
    pub(super) fn as_u32(&self) -> Option<u32> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::U32(v) => Some(v),
            Self::U64(v) => v.try_into().ok(),
            Self::I8(v) => v.try_into().ok(),
            Self::I16(v) => v.try_into().ok(),
            Self::I32(v) => v.try_into().ok(),
            Self::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }

    pub(super) fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(v) => Some(v),
            Self::F64(v) => Some(v as f32),
            _ => None,
        }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(v) => Some(v),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(v) => Some(v),
            _ => None,
        }
    }

    pub(super) fn as_strings(&self) -> Option<&[String]> {
        match self {
            Self::Array(Array::String(v)) => Some(v),
            _ => None,
        }
    }

    pub(super) fn as_f32s(&self) -> Option<&[f32]> {
        match self {
            Self::Array(Array::F32(v)) => Some(v),
            _ => None,
        }
    }

    pub(super) fn as_u32s(&self) -> Option<Vec<u32>> {
        fn all<T: Copy + TryInto<u32>>(values: &[T]) -> Option<Vec<u32>> {
            values.iter().map(|&v| v.try_into().ok()).collect()
        }
        let Self::Array(array) = self else {
            return None;
        };
        match array {
            Array::U8(v) => all(v),
            Array::I8(v) => all(v),
            Array::U16(v) => all(v),
            Array::I16(v) => all(v),
            Array::U32(v) => all(v),
            Array::I32(v) => all(v),
            Array::U64(v) => all(v),
            Array::I64(v) => all(v),
            _ => None,
        }
    }

    /// For messages: the type and, of a short value, the value.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::String(v) => format!("a string of {} bytes", v.len()),
            Self::Array(_) => "an array of another type".into(),
            other => format!("{other:?}"),
        }
    }
}

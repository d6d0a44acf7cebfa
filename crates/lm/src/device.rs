//! Where a model computes: a value, and the engine that goes with it.

use crate::{CandleDecoder, Decoder, FrozenLm, LmError};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Where a model computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU, with kernels of our own, in f32: [`Decoder::load`].
    #[default]
    Cpu,
    /// The CPU, with kernels of our own, weights as the file has them: [`Decoder::load_packed`].
    CpuPacked,
    /// The CPU through candle, with MKL or Accelerate if built with the feature `mkl` or `accelerate`.
    CandleCpu,
    /// An NVIDIA card by its number; needs the feature `cuda`.
    Cuda(usize),
    /// An Apple card by its number; needs the feature `metal`.
    Metal(usize),
    /// llama.cpp, with so many of the model's layers on the accelerators that it was built for; needs the feature `llama`.
    Llama(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::CpuPacked => f.write_str("cpu-packed"),
            Self::CandleCpu => f.write_str("candle-cpu"),
            Self::Cuda(card) => write!(f, "cuda:{card}"),
            Self::Metal(card) => write!(f, "metal:{card}"),
            Self::Llama(0) => f.write_str("llama"),
            Self::Llama(layers) => write!(f, "llama:{layers}"),
        }
    }
}

impl FromStr for Device {
    type Err = LmError;

    /// `cpu`, `cpu-packed`, `candle-cpu`, `cuda` or `cuda:N`, `metal` or `metal:N`, `llama` or `llama:LAYERS`.
    fn from_str(text: &str) -> Result<Self, LmError> {
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, number.parse::<u32>().ok()),
            None => (text, Some(0)),
        };
        match (kind, number) {
            ("cpu", _) if text == kind => Ok(Self::Cpu),
            ("cpu-packed", _) if text == kind => Ok(Self::CpuPacked),
            ("candle-cpu", _) if text == kind => Ok(Self::CandleCpu),
            ("cuda", Some(card)) => Ok(Self::Cuda(card as usize)),
            ("metal", Some(card)) => Ok(Self::Metal(card as usize)),
            ("llama", Some(layers)) => Ok(Self::Llama(layers)),
            _ => Err(LmError::Unknown(format!(
                "device {text:?} is not known: expected cpu, cpu-packed, candle-cpu, cuda:0, metal or llama"
            ))),
        }
    }
}

/// Loads a model for a device: a GGUF file, or a folder with `config.json`, safetensors and a tokenizer.
///
/// # Errors
/// As [`Decoder::load`]; [`LmError::Unknown`] for a device that this machine or this build does not have.
pub fn load(path: &Path, device: Device) -> Result<Box<dyn FrozenLm>, LmError> {
    // The team is gathered here: who computes first may sit in a smaller pool of threads.
    crate::threads::count();
    Ok(match device {
        Device::Cpu => Box::new(Decoder::load(path)?),
        Device::CpuPacked => Box::new(Decoder::load_packed(path)?),
        #[cfg(feature = "llama")]
        Device::Llama(layers) => Box::new(crate::LlamaCpp::load(path, layers)?),
        #[cfg(not(feature = "llama"))]
        Device::Llama(_) => {
            return Err(LmError::Unknown(format!(
                "device {device}: this build has no llama.cpp; build with `--features llama`, or use --device cpu-packed"
            )));
        }
        device => Box::new(CandleDecoder::load(path, device)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_value() {
        for text in ["cpu", "cpu-packed", "candle-cpu", "cuda:1", "metal:0", "llama", "llama:99"] {
            assert_eq!(text.parse::<Device>().expect(text).to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().expect("the first card"), Device::Cuda(0));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cpu:0", "metal:a", "llama:all", "llama.cpp"] {
            let error = text.parse::<Device>().expect_err(text).to_string();
            assert!(error.contains("expected cpu"), "{error}");
        }
    }
}

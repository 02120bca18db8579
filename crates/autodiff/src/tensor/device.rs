//! Where tensors live, chosen at run time.

use std::str::FromStr;

use burn::tensor::Device;

/// What a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// A graphics processor through wgpu (Vulkan, Metal, DirectX 12).
    Wgpu,
    /// A graphics processor if there is one, else the processor.
    Auto,
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "wgpu" => Ok(Self::Wgpu),
            "auto" => Ok(Self::Auto),
            _ => Err(DeviceError::Unknown { name: name.to_owned() }),
        }
    }
}

/// Why a device cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There is no device of this name.
    #[error("unknown device '{name}': cpu, wgpu or auto")]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// This program was built for the processor only.
    #[error("this program was built without the feature `wgpu`: build it with it, or use the cpu")]
    NotBuilt,
    /// No graphics processor, or its driver does not answer.
    #[error("no graphics device for wgpu: {reason}; use the cpu, or install a Vulkan driver")]
    NotFound {
        /// What the driver said.
        reason: String,
    },
}

/// Opens the device asked for; tensors are then made on it.
///
/// # Errors
/// [`DeviceError`] if it is not there; `auto` falls back to the processor instead.
pub fn open_device(choice: DeviceChoice) -> Result<Device, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::flex()),
        DeviceChoice::Wgpu => open_wgpu(),
        DeviceChoice::Auto => Ok(open_wgpu().unwrap_or_else(|_| Device::flex())),
    }
}

/// The graphics device of this program: burn initialises it once and refuses to do so again.
#[cfg(feature = "wgpu")]
fn open_wgpu() -> Result<Device, DeviceError> {
    static OPENED: std::sync::OnceLock<Result<Device, DeviceError>> = std::sync::OnceLock::new();
    let open = || {
        Device::wgpu_options()
            .init()
            .map_err(|error| DeviceError::NotFound { reason: error.to_string() })
    };
    OPENED.get_or_init(open).clone()
}

#[cfg(not(feature = "wgpu"))]
fn open_wgpu() -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#![doc = "sbi"]

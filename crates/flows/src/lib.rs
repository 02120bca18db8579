#![doc = "flows"]

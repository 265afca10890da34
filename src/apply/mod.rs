//! Makes a host match a deploy manifest. `diff` decides, the rest acts.

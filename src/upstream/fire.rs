//! [`Fire`]: notes that a fault has struck, once.

/// Notes that a fault has struck: when it really had an effect, and not before.
pub struct Fire(Option<Box<dyn FnOnce() + Send>>);

impl Fire {
    /// What is called when the fault strikes.
    pub fn new(note: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(note)))
    }

    /// It strikes; only the first time is noted.
    pub fn now(&mut self) {
        if let Some(note) = self.0.take() {
            note();
        }
    }
}

impl std::fmt::Debug for Fire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Fire" } else { "Fired" })
    }
}

//! What was claimed is given back, unless it got done: also by a caller who leaves while it waits.

pub(crate) struct Undo<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Undo<F> {
    /// Runs when this is dropped.
    pub(crate) fn unless_done(undo: F) -> Self {
        Self(Some(undo))
    }

    pub(crate) fn done(mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for Undo<F> {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

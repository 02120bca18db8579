//! Who is told how a study goes on. The crate itself prints nothing.

/// Told what happens in a study, from any thread.
pub trait Observer: Send + Sync {
    /// Something that the user should know.
    fn remark(&self, message: &str);

    /// A stage of `steps` steps begins, of whose `label` and progress a bar may tell.
    fn stage(&self, label: &str, steps: usize) -> Box<dyn Bar>;
}

/// The progress of a stage, told from any thread.
pub trait Bar: Send + Sync {
    /// So many more steps are done.
    fn advance(&self, steps: usize);

    /// So many steps had been done by an earlier run.
    fn skip(&self, steps: usize);

    /// What is worth saying beside the bar.
    fn remark(&self, text: String);

    /// The stage is over.
    fn finish(&self);
}

/// An observer that keeps everything to itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn remark(&self, _: &str) {}

    fn stage(&self, _: &str, _: usize) -> Box<dyn Bar> {
        Box::new(Self)
    }
}

impl Bar for Silent {
    fn advance(&self, _: usize) {}
    fn skip(&self, _: usize) {}
    fn remark(&self, _: String) {}
    fn finish(&self) {}
}

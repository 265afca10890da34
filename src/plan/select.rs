//! A part of a plan: some images, and what they are made from.

use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::graph;
use crate::model::ImageName;

use super::image::Resolved;

impl Resolved {
    /// The images of these names and everything that they are made from; all images where no name is given.
    ///
    /// # Errors
    /// Names that no image has.
    pub fn select(mut self, names: &[String]) -> Result<Self, Diagnostics> {
        if names.is_empty() {
            return Ok(self);
        }
        let unknown = |name: &&String| !self.images.iter().any(|image| image.name.as_str() == name.as_str());
        let diagnostics: Vec<Diagnostic> = names.iter().filter(unknown).map(|name| self.no_image(name)).collect();
        if !diagnostics.is_empty() {
            return Err(Diagnostics(diagnostics));
        }
        let parents = self.images.iter().map(|image| (image.name.clone(), image.parents.clone())).collect();
        let chosen =
            self.images.iter().map(|image| &image.name).filter(|name| names.iter().any(|n| n == name.as_str()));
        let selected = graph::closure(&parents, chosen.cloned().collect::<Vec<ImageName>>());
        self.images.retain(|image| selected.contains(&image.name));
        Ok(self)
    }

    fn no_image(&self, name: &str) -> Diagnostic {
        let names = || self.images.iter().map(|image| image.name.as_str());
        let error = Diagnostic::error(format!("the project has no image `{}`", name.escape_debug()));
        match did_you_mean(name, names()) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None if self.images.is_empty() => error.hint("it has none at all: is this its root?"),
            None if self.images.len() > 20 => error.hint("`windlass plan` lists its images"),
            None => error.hint(format!("its images are {}", names().collect::<Vec<_>>().join(", "))),
        }
    }
}

//! Writing of HDF5 files from a tree of groups.

use std::io::Write;

use hdf5_pure::{AttrValue, FileBuilder, FinishedGroup, GroupBuilder};

use crate::io::safetensors::View;
use crate::io::tensor::Error;

/// Group with its attributes, datasets and subgroups.
#[derive(Debug, Clone, Default)]
pub struct Tree<'a> {
    /// Attributes by name.
    pub attributes: Vec<(String, Attribute)>,
    /// f32 datasets.
    pub datasets: Vec<View<'a>>,
    /// Subgroups by name.
    pub groups: Vec<(String, Tree<'a>)>,
}

/// Value of an attribute.
#[derive(Debug, Clone)]
pub enum Attribute {
    /// Single text.
    Text(String),
    /// List of texts; must not be empty, since HDF5 does not support empty lists.
    Texts(Vec<String>),
}

impl From<Attribute> for AttrValue {
    fn from(attribute: Attribute) -> Self {
        match attribute {
            Attribute::Text(text) => Self::String(text),
            Attribute::Texts(texts) => Self::StringArray(texts),
        }
    }
}

/// Writes a file with the root group `root`. Equal trees give equal bytes.
///
/// # Errors
///
/// [`Error::Malformed`] for content that HDF5 does not support, and for errors of `out`.
pub fn write(out: &mut dyn Write, root: Tree) -> Result<(), Error> {
    let mut file = FileBuilder::new();
    for (name, value) in root.attributes {
        file.set_attr(&name, value.into());
    }
    for view in root.datasets {
        let dataset = file.create_dataset(&view.name);
        dataset.with_f32_data(view.data).with_shape(&shape(&view));
    }
    for (name, tree) in root.groups {
        let group = file.create_group(&name);
        file.add_group(build_group(group, tree));
    }
    file.finish_to(out).map_err(super::malformed)
}

fn build_group(mut group: GroupBuilder, tree: Tree) -> FinishedGroup {
    for (name, value) in tree.attributes {
        group.set_attr(&name, value.into());
    }
    for view in tree.datasets {
        let dataset = group.create_dataset(&view.name);
        dataset.with_f32_data(view.data).with_shape(&shape(&view));
    }
    for (name, tree) in tree.groups {
        let child = group.create_group(&name);
        group.add_group(build_group(child, tree));
    }
    group.finish()
}

fn shape(view: &View) -> Vec<u64> {
    view.shape.iter().map(|&n| n as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_survives_a_round_trip() {
        let view = |name: &str, data| View { name: name.into(), shape: vec![1, 2], data };
        let leaf = Tree { datasets: vec![view("0", &[1.0, 2.0])], ..Tree::default() };
        let vars = Tree {
            attributes: vec![("name".into(), Attribute::Text("a".into()))],
            groups: vec![("vars".into(), leaf)],
            ..Tree::default()
        };
        let root = Tree {
            attributes: vec![("names".into(), Attribute::Texts(vec!["a".into(), "bcd".into()]))],
            datasets: vec![view("top", &[3.0, 4.0])],
            groups: vec![("a".into(), vars.clone()), ("empty".into(), Tree::default())],
        };
        let bytes = |root| {
            let mut bytes = Vec::new();
            write(&mut bytes, root).unwrap();
            bytes
        };
        let written = bytes(root.clone());
        assert_eq!(written, bytes(root));
        let tensors = super::super::read(written).unwrap();
        let found: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), &t.data[..])).collect();
        assert_eq!(found, [("a/vars/0", &[1.0, 2.0][..]), ("top", &[3.0, 4.0])]);
    }
}

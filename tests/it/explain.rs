//! `cxr-explain`: Grad-CAM as Keras has it, and pictures of images.

use cxr::backbone::Pooling;
use cxr::explain::grad_cam;
use cxr::head::{Dense, Head};
use ndarray::{Array1, Array2, Array3, Array4, Axis, s};
use serde::Deserialize;
use serde_json::Value;

use crate::support::Sandbox;

/// A case of tests/golden/grad_cam.json, made by Keras with grad_cam.py beside it.
#[derive(Deserialize)]
struct Case {
    logits: Vec<f32>,
    saliency: Vec<Vec<Vec<f32>>>,
}

fn matrix(rows: Vec<Vec<f32>>) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[test]
fn grad_cam_through_pools_and_head_equals_keras() {
    let golden: Value = serde_json::from_str(include_str!("../golden/grad_cam.json")).unwrap();
    let read = |value: &Value| matrix(serde_json::from_value(value.clone()).unwrap());
    let rows: Vec<Array2<f32>> = golden["maps"].as_array().unwrap().iter().map(read).collect();
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    let maps: Array3<f32> = ndarray::stack(Axis(0), &views).unwrap();
    let dense = |name: &str| Dense {
        kernel: read(&golden["head"][format!("{name}.kernel")]),
        bias: Array1::from_vec(
            serde_json::from_value(golden["head"][format!("{name}.bias")].clone()).unwrap(),
        ),
    };
    let head = Head { hidden: dense("dense_1"), output: dense("dense_2") };
    let pooled = Array4::from_shape_fn((1, 7, 7, maps.dim().2), |(_, y, x, c)| {
        let cells = maps.slice(s![2 * y..2 * y + 2, 2 * x..2 * x + 2, c]);
        cells.iter().copied().fold(0.0, f32::max)
    });
    for (name, pooling) in [("tutorial", Pooling::Tutorial), ("global", Pooling::Global)] {
        let case: Case = serde_json::from_value(golden[name].clone()).unwrap();
        let features = pooling.apply(pooled.view());
        let p = head.predict(features.view());
        let sum: f32 = case.logits.iter().map(|z| z.exp()).sum();
        for (class, saliency) in case.saliency.into_iter().enumerate() {
            assert!((p[[0, class]] - case.logits[class].exp() / sum).abs() < 1e-5, "{name}");
            let gradient = head.gradient(features.row(0), class);
            let difference = grad_cam(maps.view(), gradient.view()) - matrix(saliency);
            assert!(difference.iter().all(|d| d.abs() < 1e-6), "{name}, class {class}");
        }
    }
}

#[test]
fn without_a_model_the_way_to_one_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("w.safetensors", "");
    let said = sandbox.transcript("cxr-explain --artifacts a --weights w.safetensors");
    assert!(said.contains("exit: 1") && said.contains("hint:"), "{said}");
    let said = sandbox.transcript("cxr-explain --artifacts a --weights w.safetensors --grid 0");
    assert!(said.contains("exit: 2") && said.contains("`grid` is 0"), "{said}");
}

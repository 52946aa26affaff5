//! `cxr-link`.

use serde_json::json;

use crate::support::{Sandbox, shared};

const OUT: &str = "artifacts/tutorial/link";

/// The lines of a table, without its header.
fn lines(sandbox: &Sandbox, name: &str) -> Vec<String> {
    sandbox.read(format!("{OUT}/{name}")).lines().skip(1).map(str::to_owned).collect()
}

/// An image of coarse and fine shapes, from a seed, as PNG, at any size.
fn image(seed: u32, side: u32) -> Vec<u8> {
    let grey = |x: u32, y: u32| {
        let (x, y) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
        let wave = |k: u32| {
            let most = if k < 3 { 12.0 } else { 60.0 };
            (f64::from(seed * 7 + k).sin() * most * x
                + f64::from(seed * 3 + k * k).cos() * most * y
                + f64::from(k))
            .sin()
        };
        (127.0 + 14.0 * (0..9).map(wave).sum::<f64>()) as u8
    };
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..side * side).map(|i| grey(i % side, i / side)).collect();
    let mut out = png::Encoder::new(&mut bytes, side, side);
    out.set_color(png::ColorType::Grayscale);
    out.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

#[test]
fn images_are_linked_by_name_file_and_picture() {
    let sandbox = Sandbox::new();
    sandbox.write("dataset/covid/a.png", image(1, 300));
    sandbox.write("dataset/covid/b.png", image(2, 300));
    sandbox.write("dataset/normal/IM-0001-0001.png", image(3, 300));
    sandbox.write("dataset/normal/IM-0001-0002.png", image(4, 300));
    sandbox.write("dataset/normal/copy.png", image(2, 300));
    sandbox.write("dataset/normal/smaller.png", image(4, 240));
    sandbox.ok("cxr-preprocess");
    insta::assert_snapshot!(sandbox.transcript("cxr-link"), @r"
    $ cxr-link
    exit: 0
    --- stdout
    6 images of 3 patients, by patient linkage
    kaggle name           1 links
    near duplicate        1 links
    same file             1 links
    patients with several patient ids: 0
    patients with images in several classes: 1
    --- stderr
    warning: the same image of `image:covid/b.png` is in several classes: covid 1, normal 1
    ");
    assert_eq!(
        lines(&sandbox, "groups.csv"),
        [
            "0,covid/a.png,covid,image:covid/a.png,",
            "1,covid/b.png,covid,image:covid/b.png,same file",
            "2,normal/IM-0001-0001.png,normal,kaggle:IM-0001,kaggle name",
            "3,normal/IM-0001-0002.png,normal,kaggle:IM-0001,kaggle name; near duplicate",
            "4,normal/copy.png,normal,image:covid/b.png,same file",
            "5,normal/smaller.png,normal,kaggle:IM-0001,near duplicate",
        ]
    );
    let linked = sandbox.json(format!("{OUT}/link.json"));
    assert_eq!(linked["conflicts"][0]["same_image"], json!(true));
    let links = lines(&sandbox, "links.csv");
    assert!(links[2].starts_with("3,5,near duplicate,same,correlation 0.9"), "{links:?}");
}

#[test]
fn any_number_of_threads_gives_the_same_files() {
    let make = |threads: usize| {
        let sandbox = Sandbox::new();
        (0..9).for_each(|i| drop(sandbox.write(&format!("dataset/x/{i}.png"), image(i % 5, 96))));
        (0..9).for_each(|i| drop(sandbox.write(&format!("dataset/y/{i}.png"), image(9 + i, 96))));
        sandbox.ok("cxr-preprocess");
        sandbox.ok(&format!("cxr-link --threads {threads}"));
        sandbox.tree(OUT)
    };
    assert_eq!(make(1), make(2));
}

/// The images of patients 192 and 196 differ in brightness, those of 193 and 195 in
/// crop, tint and arrows.
#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn the_real_set_holds_four_patients_with_two_ids_each() {
    let shared = shared();
    let cohen = shared.join("data/cohen");
    let sandbox = Sandbox::new();
    for (name, view) in [("covid", "PA"), ("supine", "AP Supine")] {
        let mut build = sandbox.cxr("cxr-build-covid --modality any --source");
        build.arg(&cohen).args(["--view", view, "--output", &format!("dataset/{name}")]);
        build.assert().success();
    }
    sandbox.ok("cxr-preprocess");
    sandbox.ok("cxr-link");
    let linked = sandbox.json(format!("{OUT}/link.json"));
    let pairs = ["178 97", "192 196", "193 195", "201 78"];
    let ids = pairs.map(|pair| pair.split(' ').map(|id| format!("cohen:{id}")).collect::<Vec<_>>());
    assert_eq!(linked["merged"], json!(ids));
    let conflicts = linked["conflicts"].as_array().unwrap();
    let group = |c: &&serde_json::Value| c["group"] == "cohen:201+cohen:78";
    assert_eq!(conflicts.iter().find(group).unwrap()["same_image"], json!(true));
}

#[test]
fn settings_out_of_range_are_refused() {
    let sandbox = Sandbox::new();
    let text = sandbox.transcript("cxr-link --correlation 2");
    assert!(
        text.contains("exit: 2") && text.contains("`correlation` is 2, expected 0 to 1"),
        "{text}"
    );
}

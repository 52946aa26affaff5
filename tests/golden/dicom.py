"""Writes dicom/* and dicom.json in this folder: images in every encoding and their grey levels.

    pip install pydicom==3.0.2 numpy==2.4.6 pillow==13.0.0 imagecodecs pyjpegls==1.5.1 \\
        pylibjpeg==2.1.0 pylibjpeg-openjpeg==2.6.0 pylibjpeg-libjpeg==2.5.0
    python dicom.py

With files as arguments, prints one JSON document per file: the levels according to pydicom, or
why pydicom cannot decode the file. tests/it/dicom.rs reads them. This requires pydicom and numpy;
some files require further decoders.
"""
import io, json, pathlib, sys, warnings

import numpy as np
import pydicom

from dicom_shown import display_levels

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent


def document(name, levels):
    return {"file": name, "shape": list(levels.shape), "levels": levels.tobytes().hex()}


if len(sys.argv) > 1:
    for path in sys.argv[1:]:
        try:
            print(json.dumps(document(path, display_levels(pydicom.dcmread(path, force=True)))))
        except Exception as e:
            print(json.dumps({"file": path, "skipped": type(e).__name__}))
    sys.exit()


import imagecodecs
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

folder = here / "dicom"
folder.mkdir(exist_ok=True)
ROWS, COLUMNS = 13, 22
rows = []


def noise(bits, channels=1):
    """Random values of `bits` bits, with the smallest and the largest."""
    values = np.random.default_rng(bits).integers(0, 2**bits, (ROWS, COLUMNS, channels)[: 2 + (channels > 1)])
    values.flat[:2] = 0, 2**bits - 1
    return values


def ramp(bits):
    """Smooth image for lossy encodings."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    return ((x / COLUMNS + y / ROWS) / 2 * (2**bits - 1)).astype(int)


def jpeg2000(pixels, bits, reversible=True, level=None):
    return imagecodecs.jpeg2k_encode(pixels, level, codecformat="j2k", bitspersample=bits, resolutions=3,
                                     reversible=reversible)


def write_image(name, pixels, bits, signed=False, syntax=uid.ExplicitVRLittleEndian, encoded=None, **elements):
    """Writes a DICOM file. `encoded` is the compressed pixel data; `raw` in `elements` the native bytes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.Modality, ds.PatientID, ds.PatientName, ds.ViewPosition = "DX", "4711", "Doe^Jane", "PA"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = 8 if bits <= 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(signed)
    for key, value in elements.items():
        setattr(ds, key, value)
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    kind = np.dtype(f"{order}{'i' if signed else 'u'}{ds.BitsAllocated // 8}")
    if encoded is not None:
        ds.PixelData = encapsulate([encoded])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
    elif syntax in (uid.RLELossless, uid.JPEGLSLossless):
        ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        ds.PixelData = pixels.astype(kind).tobytes()
        ds["PixelData"].VR = "OW"
        ds.compress(syntax, generate_instance_uid=False)
    else:
        bytes_ = elements.get("raw") or pixels.astype(kind).tobytes()
        ds.PixelData = bytes_ + bytes(len(bytes_) % 2)
        ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    if "raw" in elements:
        del ds.raw
    path = folder / f"{name}.dcm"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    rows.append(document(path.name, display_levels(pydicom.dcmread(path))))


def lookup_table(count, first, bits, values):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [count, first, bits], values.astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    return lut


write_image("grey8", noise(8), 8)
write_image("grey10_inverted", noise(10), 10, syntax=uid.ImplicitVRLittleEndian, PhotometricInterpretation="MONOCHROME1",
     WindowCenter="500", WindowWidth="600")
write_image("grey12_two_windows", noise(12), 12, WindowCenter=["2000", "100"], WindowWidth=["1500", "10"])
write_image("grey14_sigmoid", noise(14), 14, WindowCenter="8000", WindowWidth="5000", VOILUTFunction="SIGMOID")
write_image("grey16_exact", noise(16), 16, WindowCenter="30000", WindowWidth="25000", VOILUTFunction="LINEAR_EXACT")
write_image("grey12_inverse_shape", noise(12), 12, PresentationLUTShape="INVERSE")
write_image("signed12_rescaled", noise(12) - 2048, 12, signed=True, RescaleSlope="2.5", RescaleIntercept="-1024",
     PixelPaddingValue=-2048)
write_image("signed16_window", noise(16) - 32768, 16, signed=True, RescaleSlope="0.5", RescaleIntercept="100",
     WindowCenter="-40", WindowWidth="9000")
write_image("big_endian16", noise(16), 16, syntax=uid.ExplicitVRBigEndian)
write_image("deflated12", noise(12), 12, syntax=uid.DeflatedExplicitVRLittleEndian)
write_image("modality_table", noise(12), 12, ModalityLUTSequence=[lookup_table(300, 1000, 16, np.arange(300) ** 2 // 2)])
write_image("display_table", noise(12), 12, VOILUTSequence=[lookup_table(512, 1000, 12, np.arange(512) ** 2 // 64)])
write_image("rle8", noise(8), 8, syntax=uid.RLELossless)
write_image("rle16_runs", ramp(16) // 4096 * 4096, 16, syntax=uid.RLELossless)
write_image("rle_rgb", noise(8, 3), 8, syntax=uid.RLELossless)
for bits in (8, 12, 16):
    write_image(f"jpeg_ls{bits}", noise(bits), bits, syntax=uid.JPEGLSLossless)
    kind = np.uint8 if bits == 8 else np.uint16
    encoded = jpeg2000(noise(bits).astype(kind), bits)
    write_image(f"jpeg2000_{bits}", noise(bits), bits, syntax=uid.JPEG2000Lossless, encoded=encoded)
    encoded = imagecodecs.ljpeg_encode(noise(bits).astype(kind), bitspersample=bits)
    write_image(f"jpeg_lossless{bits}", noise(bits), bits, syntax=uid.JPEGLosslessSV1, encoded=encoded)
write_image("jpeg2000_signed", noise(12) - 2048, 12, signed=True, syntax=uid.JPEG2000Lossless,
     encoded=jpeg2000((noise(12) - 2048).astype(np.int16), 12))
near = imagecodecs.jpegls_encode(ramp(12).astype(np.uint16), level=3)
write_image("jpeg_ls_near12", ramp(12), 12, syntax=uid.JPEGLSNearLossless, encoded=near)
lossy = jpeg2000(ramp(12).astype(np.uint16), 12, level=60, reversible=False)
write_image("jpeg2000_lossy12", ramp(12), 12, syntax=uid.JPEG2000, encoded=lossy)
baseline = io.BytesIO()
Image.fromarray(ramp(8).astype(np.uint8)).save(baseline, "JPEG", quality=90)
write_image("jpeg_baseline", ramp(8), 8, syntax=uid.JPEGBaseline8Bit, encoded=baseline.getvalue())
write_image("rgb", noise(8, 3), 8)
write_image("rgb_planes", noise(8, 3), 8, PlanarConfiguration=1, raw=noise(8, 3).astype(np.uint8).transpose(2, 0, 1).tobytes())
write_image("ybr_full", noise(8, 3), 8, PhotometricInterpretation="YBR_FULL")
halved = noise(8, 3)[:, :, :2].astype(np.uint8)  # 2 bytes per pixel: for each pixel pair Y, Y, Cb, Cr
write_image("ybr_full_422", noise(8, 3), 8, PhotometricInterpretation="YBR_FULL_422", raw=halved.tobytes())
palette = {}
for colour, seed in (("Red", 1), ("Green", 2), ("Blue", 3)):
    palette[f"{colour}PaletteColorLookupTableDescriptor"] = [200, 20, 16]
    entries = np.random.default_rng(seed).integers(0, 65536, 200).astype("<u2")
    palette[f"{colour}PaletteColorLookupTableData"] = entries.tobytes()
write_image("palette", noise(8), 8, PhotometricInterpretation="PALETTE COLOR", **palette)
(here / "dicom.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")

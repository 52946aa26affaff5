"""Writes dicom/* and dicom.json beside itself: films in every packing, and what they show.

    pip install pydicom==3.0.2 numpy==2.4.6 pillow==13.0.0 imagecodecs pyjpegls==1.5.1 \\
        pylibjpeg==2.1.0 pylibjpeg-openjpeg==2.6.0 pylibjpeg-libjpeg==2.5.0
    python dicom.py

With files as arguments it prints a JSON document for each that pydicom can decode,
which a test compares with, too; pydicom and numpy are enough for most.
"""
import io, json, pathlib, sys, warnings

import numpy as np
import pydicom

from dicom_shown import shown

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent


def document(name, picture):
    return {"file": name, "shape": list(picture.shape), "levels": picture.tobytes().hex()}


if len(sys.argv) > 1:
    for path in sys.argv[1:]:
        try:
            print(json.dumps(document(path, shown(pydicom.dcmread(path, force=True)))))
        except Exception as e:
            print(json.dumps({"file": path, "skipped": type(e).__name__}))
    sys.exit()


import imagecodecs
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

films = here / "dicom"
films.mkdir(exist_ok=True)
ROWS, COLUMNS = 13, 22
rows = []


def noise(bits, channels=1):
    """Every value of so many bits may occur, the largest and the least do."""
    draw = np.random.default_rng(bits).integers(0, 2**bits, (ROWS, COLUMNS, channels)[: 2 + (channels > 1)])
    draw.flat[:2] = 0, 2**bits - 1
    return draw


def ramp(bits):
    """Smooth, for packings with loss."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    return ((x / COLUMNS + y / ROWS) / 2 * (2**bits - 1)).astype(int)


def jpeg2000(cells, bits, reversible=True, level=None):
    return imagecodecs.jpeg2k_encode(cells, level, codecformat="j2k", bitspersample=bits, resolutions=3,
                                     reversible=reversible)


def film(name, cells, bits, signed=False, packing=uid.ExplicitVRLittleEndian, encoded=None, **more):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = packing
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.Modality, ds.PatientID, ds.PatientName, ds.ViewPosition = "DX", "4711", "Doe^Jane", "PA"
    ds.Rows, ds.Columns = cells.shape[:2]
    ds.SamplesPerPixel = 1 if cells.ndim == 2 else cells.shape[2]
    ds.PhotometricInterpretation = "MONOCHROME2" if cells.ndim == 2 else "RGB"
    if cells.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = 8 if bits <= 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(signed)
    for key, value in more.items():
        setattr(ds, key, value)
    order = ">" if packing == uid.ExplicitVRBigEndian else "<"
    kind = np.dtype(f"{order}{'i' if signed else 'u'}{ds.BitsAllocated // 8}")
    if encoded is not None:
        ds.PixelData = encapsulate([encoded])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
    elif packing in (uid.RLELossless, uid.JPEGLSLossless):
        ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        ds.PixelData = cells.astype(kind).tobytes()
        ds["PixelData"].VR = "OW"
        ds.compress(packing, generate_instance_uid=False)
    else:
        bytes_ = more.get("raw") or cells.astype(kind).tobytes()
        ds.PixelData = bytes_ + bytes(len(bytes_) % 2)
        ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    if "raw" in more:
        del ds.raw
    path = films / f"{name}.dcm"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    rows.append(document(path.name, shown(pydicom.dcmread(path))))


def table(count, first, bits, values):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [count, first, bits], values.astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    return lut


film("grey8", noise(8), 8)
film("grey10_inverted", noise(10), 10, packing=uid.ImplicitVRLittleEndian, PhotometricInterpretation="MONOCHROME1",
     WindowCenter="500", WindowWidth="600")
film("grey12_two_windows", noise(12), 12, WindowCenter=["2000", "100"], WindowWidth=["1500", "10"])
film("grey14_sigmoid", noise(14), 14, WindowCenter="8000", WindowWidth="5000", VOILUTFunction="SIGMOID")
film("grey16_exact", noise(16), 16, WindowCenter="30000", WindowWidth="25000", VOILUTFunction="LINEAR_EXACT")
film("grey12_inverse_shape", noise(12), 12, PresentationLUTShape="INVERSE")
film("signed12_rescaled", noise(12) - 2048, 12, signed=True, RescaleSlope="2.5", RescaleIntercept="-1024",
     PixelPaddingValue=-2048)
film("signed16_window", noise(16) - 32768, 16, signed=True, RescaleSlope="0.5", RescaleIntercept="100",
     WindowCenter="-40", WindowWidth="9000")
film("big_endian16", noise(16), 16, packing=uid.ExplicitVRBigEndian)
film("deflated12", noise(12), 12, packing=uid.DeflatedExplicitVRLittleEndian)
film("modality_table", noise(12), 12, ModalityLUTSequence=[table(300, 1000, 16, np.arange(300) ** 2 // 2)])
film("display_table", noise(12), 12, VOILUTSequence=[table(512, 1000, 12, np.arange(512) ** 2 // 64)])
film("rle8", noise(8), 8, packing=uid.RLELossless)
film("rle16_runs", ramp(16) // 4096 * 4096, 16, packing=uid.RLELossless)
film("rle_rgb", noise(8, 3), 8, packing=uid.RLELossless)
for bits in (8, 12, 16):
    film(f"jpeg_ls{bits}", noise(bits), bits, packing=uid.JPEGLSLossless)
    kind = np.uint8 if bits == 8 else np.uint16
    encoded = jpeg2000(noise(bits).astype(kind), bits)
    film(f"jpeg2000_{bits}", noise(bits), bits, packing=uid.JPEG2000Lossless, encoded=encoded)
    encoded = imagecodecs.ljpeg_encode(noise(bits).astype(kind), bitspersample=bits)
    film(f"jpeg_lossless{bits}", noise(bits), bits, packing=uid.JPEGLosslessSV1, encoded=encoded)
film("jpeg2000_signed", noise(12) - 2048, 12, signed=True, packing=uid.JPEG2000Lossless,
     encoded=jpeg2000((noise(12) - 2048).astype(np.int16), 12))
near = imagecodecs.jpegls_encode(ramp(12).astype(np.uint16), level=3)
film("jpeg_ls_near12", ramp(12), 12, packing=uid.JPEGLSNearLossless, encoded=near)
lossy = jpeg2000(ramp(12).astype(np.uint16), 12, level=60, reversible=False)
film("jpeg2000_lossy12", ramp(12), 12, packing=uid.JPEG2000, encoded=lossy)
baseline = io.BytesIO()
Image.fromarray(ramp(8).astype(np.uint8)).save(baseline, "JPEG", quality=90)
film("jpeg_baseline", ramp(8), 8, packing=uid.JPEGBaseline8Bit, encoded=baseline.getvalue())
film("rgb", noise(8, 3), 8)
film("rgb_planes", noise(8, 3), 8, PlanarConfiguration=1, raw=noise(8, 3).astype(np.uint8).transpose(2, 0, 1).tobytes())
film("ybr_full", noise(8, 3), 8, PhotometricInterpretation="YBR_FULL")
halved = noise(8, 3)[:, :, :2].astype(np.uint8)  # two luminances, then both chromas: 2 bytes a pixel
film("ybr_full_422", noise(8, 3), 8, PhotometricInterpretation="YBR_FULL_422", raw=halved.tobytes())
palette = {}
for colour, seed in (("Red", 1), ("Green", 2), ("Blue", 3)):
    palette[f"{colour}PaletteColorLookupTableDescriptor"] = [200, 20, 16]
    entries = np.random.default_rng(seed).integers(0, 65536, 200).astype("<u2")
    palette[f"{colour}PaletteColorLookupTableData"] = entries.tobytes()
film("palette", noise(8), 8, PhotometricInterpretation="PALETTE COLOR", **palette)
(here / "dicom.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")

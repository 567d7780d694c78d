"""Files that nobody should have to open: what `hostile` shows the readers, and what `fuzz` begins from.

Every file is made here, from phantoms and seeded numbers, so that two runs try the same. A case lies in a folder of its own, as users keep their
images: in a class folder, beside a picture that is whole."""
import functools, gzip, io, itertools, json, os, shutil, socket, struct, zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from brainmri.data.classes import STUDY_CLASSES
from brainmri.data.gray import MAX_VOXELS
from brainmri.data.image import FORMATS, MAX_PIXELS
from brainmri.data.medical import write_dicom
from brainmri.data.nifti import write_nifti
from brainmri.data.phantom import make_phantom
from brainmri.use.bundle import bundle_checksum, file_hash, write_bundle
from brainmri.use.ood import Gate

#: The files of a bundle.
NAMES = ("bundle.json", "model.safetensors", "gate.safetensors")
#: Every mode that Pillow knows.
MODES = "1 L P RGB RGBA CMYK YCbCr LAB HSV I F LA PA RGBX RGBa La I;16 I;16L I;16B I;16N".split()


@dataclass(frozen=True)
class Case:
    kind: str  # "picture", "volume", "several", "table", "bundle", "command" or "memory": what a user does with it; "bomb": a stranger sends it
    name: str  # What is wrong with it
    path: Path  # The file, or the folder of a bundle
    closed: bool = False  # Is it to be read by a user who may not?
    extra: tuple = ()  # Arguments of a command; a mode


class Corpus:
    "A folder that fills with cases."
    def __init__(self, root):
        self.root, self.cases = Path(root), []
        self.grey = make_phantom("glioma", 7, size=120).image
        self.rgb = Image.fromarray(self.grey).convert("RGB")
        self.good = _saved(self.rgb, "PNG")

    def folder(self):
        "The class folder of the next case, with a whole picture in it."
        d = self.root/f"{len(self.cases) + 1:04}"/"glioma"
        d.mkdir(parents=True)
        (d/"whole.png").write_bytes(self.good)
        return d

    def add(self, kind, name, file, content, **more):
        "A case whose `file` holds the bytes `content`, or what the function `content` does with its path."
        path = self.folder()/file
        content(path) if callable(content) else path.write_bytes(content)
        self.cases.append(Case(kind, name, path, **more))


def _saved(im, format, **options):
    f = io.BytesIO()
    im.save(f, format, **options)
    return f.getvalue()

def _cut(c, kind, what, file, data):
    "`data` cut short at every tenth."
    for k in range(10): c.add(kind, f"{what} cut at {k}0 %", file, data[:len(data)*k//10])

def _flipped(c, kind, what, file, data, n=6, head=128):
    "`data` with a bit turned over: half of the time in its first bytes."
    rng = np.random.default_rng(len(c.cases))
    for k in range(n):
        at, b = int(rng.integers(head if k % 2 else len(data))), bytearray(data)
        b[at % len(b)] ^= 1 << int(rng.integers(8))
        c.add(kind, f"{what} with bit {k + 1} of {n} turned over", file, bytes(b))


def png(width, height, depth, colour, data, *chunks):
    "A PNG whose header says what one likes; `data` is what the pixels unpack to, or how many zeros."
    part = lambda kind, o: struct.pack(">I", len(o)) + kind + o + struct.pack(">I", zlib.crc32(kind + o))
    return b"".join([b"\x89PNG\r\n\x1a\n", part(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)), *(part(*o) for o in chunks),
                     part(b"IDAT", zlibbed(data) if isinstance(data, int) else zlib.compress(data)), part(b"IEND", b"")])

@functools.cache
def _zeros(n):
    "`n` zero bytes as blocks of deflate that may be repeated."
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return z.compress(bytes(n)) + z.flush(zlib.Z_FULL_FLUSH)

def deflated(head, n):
    "`head` and `n` zero bytes, deflated."
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return z.compress(head) + z.flush(zlib.Z_FULL_FLUSH) + _zeros(2**24)*(n >> 24) + _zeros(n % 2**24) + b"\3\0"

def zlibbed(n):
    "`n` zero bytes as zlib packs them."
    return b"\x78\xda" + deflated(b"", n) + struct.pack(">HH", n % 65521, 1)

def tiff(*pages, more=b""):
    "A little-endian TIFF of directories of (tag, type, count, value); `more` stands at byte 8."
    out, at = [b"II*\0" + struct.pack("<I", 8 + len(more)) + more], 8 + len(more)
    for k, tags in enumerate(pages):
        at += 6 + 12*len(tags)
        out.append(struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *o) for o in tags) + struct.pack("<I", at if k < len(pages) - 1 else 0))
    return b"".join(out)

def _grey_tiff(width, height, at=8, size=0, compression=1):
    "The tags of a grey page."
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (273, 4, 1, at), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, size)]

def exif_bomb(n, kind=7, size=1):
    "A directory whose `n` entries, of a TIFF's type `kind` that takes `size` bytes, each claim to hold the whole block."
    claim = (6 + 12*n)//size
    return b"II*\0" + struct.pack("<IH", 8, n) + b"".join(struct.pack("<HHII", 0x0113 + k, kind, claim, 8) for k in range(n)) + bytes(4)

def scans(im, n):
    "`im` as a progressive JPEG whose last scan comes `n` times."
    data = _saved(im, "JPEG", progressive=True, quality=50)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2]*n + data[-2:]

def sparse(n, head=b""):
    "A file of `n` bytes that takes no room: `head`, zeros, and a 1."
    def write(path):
        with open(path, "wb") as f:
            f.write(head)
            f.seek(n - 1)
            f.write(b"\1")
    return write

def dicom(path, change=(), pixels=None, **tags):
    "A DICOM with elements changed as hostile writers do, without pydicom's checks."
    import pydicom
    write_dicom(path, np.zeros((40, 40), np.uint16) if pixels is None else pixels, **tags)
    if not change: return
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path, enforce_file_format=False)

def element(group, number, vr, value, length=None):
    "An element of explicit little-endian DICOM."
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    n = len(value) if length is None else length
    return struct.pack("<HH", group, number) + vr + (b"\0\0" + struct.pack("<I", n) if long else struct.pack("<H", n)) + value

def raw_dicom(*elements, syntax=b"1.2.840.10008.1.2.1"):
    "A DICOM of just these elements."
    meta = element(2, 0x10, b"UI", syntax + b"\0"*(len(syntax) % 2))
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + b"".join(elements)

def pixel_module(rows, columns, bits=16, frames=None):
    "The elements of DICOM that say how the pixels lie."
    us = lambda n, v: element(0x28, n, b"US", struct.pack("<H", v))
    n = [element(0x28, 8, b"IS", f"{frames:<10}".encode())] if frames else []
    return [element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.4\0"), us(2, 1), element(0x28, 4, b"CS", b"MONOCHROME2 "), *n, us(0x10, rows), us(0x11, columns), us(0x100, bits), us(0x101, bits), us(0x102, bits - 1), us(0x103, 0)]

def nifti(shape, dtype="<i2", code=4, data=None, **fields):
    "A NIfTI whose header says what one likes."
    import nibabel as nib
    h = nib.Nifti1Header()
    h["dim"][:len(shape) + 1], h["datatype"], h["bitpix"], h["vox_offset"], h["magic"] = [len(shape), *shape], code, np.dtype(dtype).itemsize*8, 352, b"n+1"
    h["pixdim"][1:4], h["sform_code"], h["srow_x"], h["srow_y"], h["srow_z"] = 1, 1, [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]
    for k, v in fields.items(): h[k] = v
    return h.binaryblock + bytes(4) + (bytes(min(10**6, abs(int(np.prod(np.array(shape, float)))*np.dtype(dtype).itemsize))) if data is None else data)

def _gz_zeros(head, n):
    "A gzip archive of `head` and `n` zeros, of which each 64 MB are a member of their own."
    return gzip.compress(head) + _member(2**26)*(n >> 26) + _member(n % 2**26)

@functools.cache
def _member(n): return gzip.compress(bytes(n), mtime=0)


def _formats(c):
    "Every format that Pillow writes, and every mode in the formats that are read."
    Image.init()
    for format in sorted(Image.SAVE):
        for mode in ("RGB", "L", "1", "F", "P"):
            try: data = _saved(c.rgb.convert(mode), format)
            except Exception: continue  # Pillow doesn't write this pair, or only with another program
            c.add("picture", f"a {format} file that is called .png", "picture.png", data)
            break
    for format, mode in itertools.product(FORMATS, MODES):
        try: data = _saved(_in_mode(c.rgb, mode), format)
        except Exception: continue
        c.add("picture", f"mode {mode} as {format}", f"picture.{'jpg' if format == 'JPEG' else 'png'}", data)
    for mode in MODES: c.add("memory", f"a picture in memory, mode {mode}", "picture.png", c.good, extra=(mode,))

def _in_mode(im, mode):
    "`im` in `mode`, by way of a mode from which Pillow gets there."
    for way in ((), ("L",), ("RGBA",), ("LA",), ("I",)):
        try:
            for o in (*way, mode): im = im.convert(o)
            return im
        except ValueError: pass
    return Image.new(mode, im.size)

def _damaged(c):
    "Whole files of every kind, cut and with bits turned over."
    for format in FORMATS:
        data = _saved(c.rgb, format)
        _cut(c, "picture", format, f"cut.{format.lower()}" if format in ("JPEG", "PNG", "BMP") else "cut.png", data)
        _flipped(c, "picture", format, "flipped.png", data)
    _cut(c, "picture", "progressive JPEG", "cut.jpg", _saved(c.rgb, "JPEG", progressive=True))
    for what, data in _volumes(c).items():
        file = "a.dcm" if "DICOM" in what else "a.nii.gz" if "gz" in what else "a.nii"
        _cut(c, "volume", what, file, data)
        _flipped(c, "volume", what, file, data, 8, 400)

def _volumes(c):
    "A whole DICOM, compressed DICOM and NIfTIs, as bytes."
    path, out = c.root/"made", {}
    grey = np.stack([c.grey]*4).astype(np.uint16)*16
    write_dicom(path, grey[0])
    out["DICOM"] = path.read_bytes()
    for name, uid in dict(RLE="1.2.840.10008.1.2.5", J2K="1.2.840.10008.1.2.4.90").items():
        import pydicom
        ds = pydicom.dcmread(io.BytesIO(out["DICOM"]))
        ds.compress(uid)
        ds.save_as(path)
        out[f"DICOM ({name})"] = path.read_bytes()
    path.unlink()
    for name in ("made.nii", "made.nii.gz"):
        write_nifti(c.root/name, grey)
        out["NIfTI" + " (gz)"*name.endswith("gz")] = (c.root/name).read_bytes()
        (c.root/name).unlink()
    return out

def _pictures(c):
    "Sizes, orientations, profiles, frames, and files that are something else."
    add = lambda name, data, file="picture.png": c.add("picture", name, file, data)
    for size in [(1, 1), (1, 5000), (24, 24), (25, 25), (20_000, 10), (10, 20_000), (20_000, 30), (30, 20_000)]: add("×".join(map(str, size)) + " pixels", _saved(c.rgb.resize(size), "PNG"))
    for size in [(0, 0), (0, 100), (2**31 - 1, 1), (2**32 - 1, 2**32 - 1)]: add(f"a PNG that claims {size[0]}×{size[1]}", png(*size, 8, 0, bytes(100)))
    for n in (0, 1, 3): add(f"{n} zero bytes", bytes(n), "picture.jpg")
    add("a million zero bytes", bytes(10**6), "picture.bmp")
    for way in [*range(10), 65535]:
        exif = Image.Exif()
        exif[0x0112] = way
        add(f"EXIF orientation {way}", _saved(c.rgb, "JPEG", exif=exif), "picture.jpg")
    for name, exif in {"text": b"Exif\0\0turn it", "an orientation in words": b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0six\0\0\0\0\0", "a directory that is its own next": b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x08\0\0\0",
                       "a directory inside itself": b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"}.items():
        add(f"EXIF that is {name}", _saved(c.rgb, "JPEG", exif=b"Exif\0\0"*(not exif.startswith(b"Exif")) + exif), "picture.jpg")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, p in {"sRGB": profile, "cut": profile[:100], "noise": np.random.default_rng(0).bytes(500_000), "empty": b""}.items():
        for format in ("PNG", "JPEG"): add(f"ICC profile in {format}: {name}", _saved(c.rgb, format, icc_profile=p), f"picture.{format.lower()}")
    frames = [c.rgb, c.rgb.rotate(90)]*2
    for format in ("GIF", "PNG", "WEBP", "TIFF"): add(f"{len(frames)} frames in {format}", _saved(frames[0], format, save_all=True, append_images=frames[1:]))
    add("frames without number in PNG", png(100, 100, 8, 0, bytes(101*100), (b"acTL", struct.pack(">2I", 2**31 - 1, 0))))
    for name, data in {"a web page": b"<!DOCTYPE html><html><body>404</body></html>", "a zip archive": b"PK\3\4" + bytes(60), "a pickle": b"\x80\4\x95\x0e\0\0\0\0\0\0\0\x8c\2os\x94.", "a program": b"\x7fELF\2\1\1" + bytes(80),
                       "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(/etc/passwd) run\nshowpage\n", "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
                       "noise": np.random.default_rng(1).bytes(20_000), "a JPEG's marker and noise": b"\xff\xd8\xff\xe0" + np.random.default_rng(2).bytes(20_000), "a BMP upside down": _bmp(c, -120), "a BMP of negative width": _bmp(c, 120, -120)}.items(): add(name, data)

def _bmp(c, height, width=120):
    data = bytearray(_saved(c.rgb.resize((120, 120)), "BMP"))
    data[18:26] = struct.pack("<2i", width, height)
    return bytes(data)

def _bombs(c):
    "Small files that become large, slow or many. Those that only an attacker makes are opened as a stranger's."
    bomb = lambda name, data, file="bomb.png": c.add("bomb", name, file, data)
    side, add = int(MAX_PIXELS**.5), lambda name, data, file="bomb.png": c.add("picture", name, file, data)
    for mode in ("1", "L", "LA", "RGB", "RGBA", "P", "I;16"): add(f"the largest PNG that is read, mode {mode}", _saved(Image.new(mode, (side, side)), "PNG"))
    for mode in ("I;16", "I", "RGBA", "CMYK"):
        im = Image.new(mode, (side, side))
        if mode[0] == "I": im.putpixel((0, 0), 1000)
        add(f"the largest TIFF that is read, mode {mode}", _saved(im, "TIFF", compression="tiff_deflate"))
    exif = Image.Exif()
    exif[0x0112] = 6
    add("the largest JPEG that is read, turned", _saved(Image.new("RGB", (side, side)), "JPEG", exif=exif), "bomb.jpg")
    add("the largest BMP that is read", _saved(Image.new("RGB", (side, side)), "BMP"), "bomb.bmp")
    add("the largest WebP that is read", _saved(Image.new("RGBA", (side, side)), "WEBP", lossless=True, method=0))
    add("the largest GIF that is read", _saved(Image.new("P", (side, side)), "GIF"))
    add("16-bit RGB in the largest PNG that is read", png(side, side, 16, 2, (6*side + 1)*side))
    add("interlaced lines in the largest PNG that is read", _interlaced(side))
    add("20,000×20,000 pixels in one bit each", _saved(Image.new("1", (20_000, 20_000)), "PNG"))
    add("a PNG that claims 60,000×60,000", png(60_000, 60_000, 8, 2, bytes(1000)))
    add("a GIF that claims 65,535×65,535", b"GIF89a" + struct.pack("<2H3B", 65535, 65535, 0, 0, 0) + b"," + struct.pack("<4HB", 0, 0, 65535, 65535, 0) + b"\2\2\x4c\1\0;")
    add("a BMP that claims 60,000×60,000, run-length coded", b"BM" + struct.pack("<I2HI", 70, 0, 0, 54) + struct.pack("<I2i2H6I", 40, 60_000, 60_000, 1, 8, 1, 0, 0, 0, 0, 0) + b"\xff\1"*100, "bomb.bmp")
    add("a WebP that claims 16,384×16,384", b"RIFF" + struct.pack("<I", 52) + b"WEBPVP8L" + struct.pack("<IBI", 40, 0x2F, 2**28 - 1) + bytes(35))
    for n in (10, 100, 2000): (add if n < 2000 else bomb)(f"a JPEG of {n} scans", scans(Image.new("L", (4900, 4900)), n), "bomb.jpg")
    add("a PNG whose text unpacks to 1 GB", png(100, 100, 8, 0, bytes(101*100), (b"zTXt", b"Comment\0\0" + zlibbed(2**30))))
    add("a PNG whose colour profile unpacks to 1 GB", png(100, 100, 8, 0, bytes(101*100), (b"iCCP", b"ICC\0\0" + zlibbed(2**30))))
    add("a PNG whose pixels unpack to 1 GB more than there are", png(100, 100, 8, 0, 2**30))
    add("a PNG with 100,000 comments", png(100, 100, 8, 0, bytes(101*100), *[(b"tEXt", b"k%d\0v" % k) for k in range(100_000)]))
    for n in (5400, 40_000): bomb(f"EXIF of {n} entries that each hold all of it, in PNG", png(100, 100, 8, 0, bytes(101*100), (b"eXIf", exif_bomb(n))))
    bomb("EXIF of 5400 entries that each hold all of it, in JPEG", _saved(c.rgb, "JPEG", exif=b"Exif\0\0" + exif_bomb(5400)), "bomb.jpg")
    bomb("EXIF of 40000 entries that each hold all of it, in eight segments of a JPEG", _segmented(_saved(c.rgb, "JPEG"), exif_bomb(40_000)), "bomb.jpg")
    bomb("EXIF of 40000 entries that each hold all of it, in WebP", _saved(c.rgb, "WEBP", exif=exif_bomb(40_000)))
    grow = lambda n: tiff([*_grey_tiff(100, 100, 8, 10_000), *((40_000 + k, 7, 12*n, 8) for k in range(n))], more=bytes(10_000))
    bomb("a TIFF of 20,000 entries that each hold all of it", grow(20_000))
    tile = zlibbed(40_000*40_000)
    bomb("a TIFF whose one tile is 40,000×40,000", tiff([*((t, *o) for t, *o in _grey_tiff(100, 100, compression=8) if t not in (273, 278, 279)), (322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 8), (325, 4, 1, len(tile))], more=tile))
    add("a TIFF whose next page is the first", tiff(_grey_tiff(100, 100, 8, 10_000), more=bytes(10_000))[:-4] + struct.pack("<I", 10_008))
    bomb("a TIFF of 50,000 pages", tiff(*[_grey_tiff(30, 30, 8, 900)]*50_000, more=bytes(900)))
    bomb("a GIF of 100,000 frames", b"GIF89a" + struct.pack("<2H3B", 64, 64, 0x80, 0, 0) + bytes(6) + (b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0")*100_000 + b";")
    for head, name in ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"", "zeros"), (b"BM", "BMP"), (b"II*\0\x08\0\0\0", "TIFF")): add(f"a file of 3 GB ({name})", sparse(3*2**30, head))
    c.add("picture", "eight of the largest PNG at once", "bomb.png", lambda p: _many(p, _saved(Image.new("RGBA", (side, side)), "PNG")))
    c.add("picture", "four BMP of 249 MB at once", "bomb.bmp", lambda p: [sparse(249_000_000, b"BM")(p.with_stem(f"bomb{k}" if k else p.stem)) for k in range(4)])

def _pieces(c):
    "Files of very many pieces, and what hides behind bytes that readers skip."
    add = lambda name, data, file="pieces.png": c.add("bomb", name, file, data)
    jpeg, dot = _saved(c.rgb, "JPEG"), png(100, 100, 8, 0, bytes(101*100))
    gif = lambda middle: b"GIF89a" + struct.pack("<2H3B", 64, 64, 0x80, 0, 0) + bytes(6) + middle + b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0;"
    add("a JPEG of 30 MB of padding", b"\xff\xd8" + b"\xff"*30_000_000, "pieces.jpg")
    add("a JPEG of 6,000,000 empty segments", jpeg[:2] + b"\xff\xe0\0\2"*6_000_000 + jpeg[2:], "pieces.jpg")
    add("a JPEG of 249 MB of zeros", sparse(249_000_000, b"\xff\xd8\xff\xe0\0\2"), "pieces.jpg")
    add("a PNG of 5,000,000 empty chunks", dot[:33] + (bytes(4) + b"teSt" + struct.pack(">I", zlib.crc32(b"teSt")))*5_000_000 + dot[33:])
    add("a GIF of 9,000,000 empty extensions", gif(b"!\xfe\0"*9_000_000))
    for mb in (1, 20): add(f"a GIF with a comment of {mb} MB", gif(b"!\xfe" + (b"\xff" + b"a"*255)*(mb*4000) + b"\0"))
    for name, skipped in {"a byte": b"\0", "a marker without contents": b"\xff\xd0", "an escaped byte": b"\xff\0", "padding": b"\xff\xff"}.items():
        add(f"EXIF of 40000 entries that each hold all of it, behind {name}", jpeg[:20] + skipped + _segmented(b"\xff\xd8", exif_bomb(40_000))[2:] + jpeg[20:], "pieces.jpg")
    for kind, size in {3: 2, 5: 8, 7: 1}.items():
        previews = exif_bomb(5300, kind, size)
        add(f"a JPEG whose 5300 previews each hold all of it, as type {kind}", jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(previews) + 6) + b"MPF\0" + previews + jpeg[2:], "pieces.jpg")
    for n in (2**33, 2**40, 2**64 - 1): add(f"a BigTIFF of {n} entries", b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, n) + bytes(100))
    c.add("picture", "1500 folders deep", "deep", _deep(c.good, 1500))
    c.add("picture", "a link to a file of the system that waits for a reader", "link.png", lambda p: p.symlink_to("/proc/kmsg"))
    c.add("table", "CSV: a link to a file of the system that waits for a reader", "table.csv", lambda p: p.symlink_to("/proc/kmsg"))
    for name, first in (("an empty first line", b"\n"), ("a short header", b"filepath,label\n")): c.add("table", f"CSV: 15,000,000 commas after {name}", "table.csv", first + b"a,"*15_000_000)
    add = lambda name, data, file="pieces.dcm": c.add("bomb", name, file, data)
    add("a NIfTI in 5,000,000 empty members of gzip", gzip.compress(b"", mtime=0)*5_000_000, "pieces.nii.gz")
    add("a NIfTI in gzip with a name of 200 MB", b"\x1f\x8b\x08\x08" + bytes(6) + b"a"*200_000_000, "pieces.nii.gz")
    part = element(0x7FE0, 0x10, b"OW", bytes(3200))
    for mb in (1, 48): add(f"a DICOM whose slope is {mb} MB of numbers", raw_dicom(*pixel_module(40, 40), element(0x28, 0x1053, b"UT", b"1\\"*(mb*500_000)), part))
    add("a DICOM of 1000 frames whose slope is 1 MB of numbers", raw_dicom(*pixel_module(1, 1, 16, 1000), element(0x28, 0x1053, b"UT", b"1\\"*500_000), element(0x7FE0, 0x10, b"OW", bytes(2000))))
    add("a DICOM that describes 450,000 frames", raw_dicom(*pixel_module(40, 40), element(0x5200, 0x9230, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0)*450_000), part))
    noise = Image.fromarray(np.random.default_rng(5).integers(0, 256, (2000, 5000), dtype=np.uint8))
    coded = _saved(noise, "JPEG", quality=100)
    c.add("volume", "a DICOM of 6 frames of noise in JPEG", "pieces.dcm", raw_dicom(*pixel_module(2000, 5000, 8, 6), element(0x7FE0, 0x10, b"OB", _fragments([coded + b"\0"*(len(coded) % 2)]*6), 0xFFFFFFFF), syntax=b"1.2.840.10008.1.2.4.50"))

def _at_once(c):
    "Small files that become large, and are read by several threads."
    add = lambda name, data, file="once.dcm": c.add("several", f"three at once of {name}", file, data)
    add("a NIfTI of 240 MB in gzip", _gz_zeros(nifti((1000, 1000, 120), data=b""), 240*10**6), "once.nii.gz")
    body = b"".join([*pixel_module(4900, 5000, 16, 4), element(0x7FE0, 0x10, b"OW", b"", 4900*5000*8)])
    add("a DICOM that unpacks to 200 MB", raw_dicom(deflated(body, 4900*5000*8), syntax=b"1.2.840.10008.1.2.1.99"))
    frame = _saved(Image.new("L", (5000, 4800)), "JPEG")
    add("a DICOM of 4 frames of 4800×5000 in JPEG", raw_dicom(*pixel_module(4800, 5000, 8, 4), element(0x7FE0, 0x10, b"OB", _fragments([frame + b"\0"*(len(frame) % 2)]*4), 0xFFFFFFFF), syntax=b"1.2.840.10008.1.2.4.50"))
    add("a DICOM of 4 run-length coded frames of 4900×5000", raw_dicom(*pixel_module(4900, 5000, 16, 4), element(0x7FE0, 0x10, b"OB", _fragments([_rle(4900*5000)]*4), 0xFFFFFFFF), syntax=b"1.2.840.10008.1.2.5"))

def _segmented(jpeg, exif, n=65_000):
    parts = [b"Exif\0\0" + exif[k:k + n] for k in range(0, len(exif), n)]
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(o) + 2) + o for o in parts) + jpeg[2:]

def _interlaced(side):
    passes = [(8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2)]  # how far apart columns and rows of each are, about
    b = bytearray(png(side, side, 8, 2, sum((3*-(-side//x) + 1)*-(-side//y) for x, y in passes)))
    b[28] = 1
    b[29:33] = struct.pack(">I", zlib.crc32(bytes(b[12:29])))
    return bytes(b)

def _many(path, data, n=8):
    for k in range(n): path.with_stem(f"{path.stem}{k}" if k else path.stem).write_bytes(data)

def _names(c):
    "What a file may be called, whole and empty."
    names = ["with a space.png", " leading and trailing .png", "Größe Überblick 脑 🧠.png", "e\u0301.png", "\u202egnp.exe.png", "line\nbreak.png", "carriage\rreturn\ttab.png", "\x1b[31mred\x1b[0m.png", "next\x85line\u2028separated\u2029.png", "-rf.png",
             "--help.png", ".hidden.png", "CON.png", "a#1.png", "kaggle:owner.png", "%s%n{0}.png", "<img onerror=alert(1)>.png", "'; DROP TABLE x;--.png", "=1+1.png", "$(reboot).png", "*?.png", "a"*250 + ".png", "UPPER.PNG", "two.dots.png", os.fsdecode(b"\xff\xfe.png")]
    for name in names:
        for what, data in (("whole", c.good), ("empty", b"")): c.add("picture", f"{what}, called {ascii(name)[:60]}", name, data)

def _links(c):
    "Links, folders and devices where a file is expected."
    add = lambda name, file, f, **more: c.add("picture", name, file, f, **more)
    add("a link to itself", "loop.png", lambda p: p.symlink_to(p.name))
    add("a link to nothing", "gone.png", lambda p: p.symlink_to("nowhere.png"))
    add("a link to a whole picture", "link.png", lambda p: p.symlink_to("whole.png"))
    add("a link to endless zeros", "zero.png", lambda p: p.symlink_to("/dev/zero"))
    add("a named pipe", "pipe.png", os.mkfifo)
    add("a socket", "socket.png", _socket)
    add("an empty folder called x.jpg", "x.jpg", Path.mkdir)
    add("a folder called x.jpg with a picture", "x.jpg", lambda p: (p.mkdir(), (p/"y.png").write_bytes(c.good)))
    add("a folder that links to the one above it", "up", lambda p: p.symlink_to(".."))
    add("beside a link to the whole disk", "picture.png", lambda p: (p.write_bytes(c.good), (p.parent/"disk").symlink_to("/")))
    add("two folders that link to each other", "a", lambda p: (p.mkdir(), (p/"b").mkdir(), (p/"b"/"a").symlink_to(p), (p/"c").symlink_to(p/"b")))
    add("a class folder that is a link", "picture.png", lambda p: (p.write_bytes(c.good), p.parent.rename(p.parents[1]/"elsewhere"), p.parent.symlink_to("elsewhere")))
    add("a class folder that is a link to itself", "picture.png", lambda p: ((p.parent/"whole.png").unlink(), p.parent.rmdir(), p.parent.symlink_to(p.parent.name)))
    add("a class folder that is a file", "picture.png", lambda p: ((p.parent/"whole.png").unlink(), p.parent.rmdir(), p.parent.write_bytes(c.good)))
    add("300 folders deep", "deep", _deep(c.good))
    add("a file that may not be read", "closed.png", lambda p: (p.write_bytes(c.good), p.chmod(0)), closed=True)
    add("a folder that may not be opened", "closed", lambda p: (p.mkdir(), p.chmod(0)), closed=True)
    add("a class folder that may not be opened", "closed.png", lambda p: (p.write_bytes(c.good), p.parent.chmod(0)), closed=True)

def _socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's name may only be short
    try: socket.socket(socket.AF_UNIX).bind(path.name)
    finally: os.chdir(here)

def _deep(data, n=300):
    def write(path):
        for _ in range(n):
            path = path/"d" if path.exists() else path
            path.mkdir()
        (path/"picture.png").write_bytes(data)
    return write

def _dicoms(c):
    "DICOM that is bad in ways of its own."
    add = lambda name, data, file="a.dcm": c.add("volume", f"DICOM {name}", file, data)
    for keyword in "SOPClassUID Rows Columns BitsAllocated BitsStored PixelRepresentation SamplesPerPixel PhotometricInterpretation PixelData SeriesInstanceUID PixelSpacing".split(): add(f"without {keyword}", lambda p: dicom(p, lambda ds: delattr(ds, keyword)))
    odd = dict(Rows=[0, 65535], Columns=[0, 65535], BitsAllocated=[0, 7, 64], BitsStored=[0, 99], SamplesPerPixel=[0, 3, 65535], PhotometricInterpretation=["", "YBR_RCT", "NEW"], PixelRepresentation=[7], PlanarConfiguration=[9], NumberOfFrames=["0", "-1", "2147483647", "99999999999999999999"],
               PixelSpacing=[[0, 0], [-1, 1], [1e-300, 1e300], [1, 1000]], WindowWidth=[0, -5, 1e-300, 1e300], RescaleSlope=[0, 1e300, -1e300], RescaleIntercept=[1e300], ImageOrientationPatient=[[0]*6, [1e300]*6, [1, 0, 0]], InstanceNumber=["-5", "99999999999999999999"])
    for (keyword, values) in odd.items():
        for v in values: add(f"with {keyword} {v}", lambda p: dicom(p, lambda ds: (setattr(ds, keyword, v), keyword.startswith("Window") and setattr(ds, "WindowCenter", 1))))
    part = element(0x7FE0, 0x10, b"OW", bytes(3200))
    add("of 40×40 made by hand", raw_dicom(*pixel_module(40, 40), part))
    for name, syntax in {"nobody knows": b"1.2.3.4", "that is words": b"plain", "for video": b"1.2.840.10008.1.2.4.100", "JPEG": b"1.2.840.10008.1.2.4.50", "lossless JPEG": b"1.2.840.10008.1.2.4.70", "JPEG-LS": b"1.2.840.10008.1.2.4.80", "J2K": b"1.2.840.10008.1.2.4.90", "HTJ2K": b"1.2.840.10008.1.2.4.201", "RLE": b"1.2.840.10008.1.2.5"}.items():
        add(f"with a transfer syntax {name} and zeros for pixels", raw_dicom(*pixel_module(40, 40), part, syntax=syntax))
        if name[0] in "JHR" or name == "lossless JPEG":
            item = lambda b: struct.pack("<HHI", 0xFFFE, 0xE000, len(b)) + b
            noise = np.random.default_rng(3).bytes(400)
            add(f"in {name} whose pixels are noise", raw_dicom(*pixel_module(40, 40), element(0x7FE0, 0x10, b"OB", item(b"") + item(b"\xff\xd8\xff\xe0" + noise) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF), syntax=syntax))
    nest = lambda n: (element(8, 0x1140, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF))*n
    for n in (50, 20_000): add(f"with {n} sequences inside each other", raw_dicom(nest(n), *pixel_module(40, 40), part))
    add("with functional groups inside each other", raw_dicom(*pixel_module(40, 40), (element(0x5200, 0x9229, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF))*3000, part))
    add("with an element that claims 4 GB", raw_dicom(element(8, 0x1140, b"UN", b"", 0xFFFFFFF0), *pixel_module(40, 40), part))
    add("with 200,000 elements", raw_dicom(*[element(9, k % 65536, b"LO", b"x ") for k in range(200_000)], *pixel_module(40, 40), part))
    add("of 1,000,000 frames of one pixel", raw_dicom(*pixel_module(1, 1, 8, 10**6), element(0x7FE0, 0x10, b"OW", bytes(10**6))))
    body = b"".join([*pixel_module(4900, 5000, 16, 4), element(0x7FE0, 0x10, b"OW", b"", 4900*5000*8)])
    add("that unpacks to the 200 MB that it says", raw_dicom(deflated(body, 4900*5000*8), syntax=b"1.2.840.10008.1.2.1.99"))
    c.add("bomb", "DICOM that unpacks to 4 GB", "a.dcm", raw_dicom(deflated(body, 2**32), syntax=b"1.2.840.10008.1.2.1.99"))
    add("of 3 GB", sparse(3*2**30, bytes(128) + b"DICM"))
    add("of run-length coded zeros that unpack to 4 frames of 4900×5000", raw_dicom(*pixel_module(4900, 5000, 16, 4), element(0x7FE0, 0x10, b"OB", _fragments([_rle(4900*5000)]*4), 0xFFFFFFFF), syntax=b"1.2.840.10008.1.2.5"))

def _fragments(parts):
    item = lambda b: struct.pack("<HHI", 0xFFFE, 0xE000, len(b)) + b
    return item(b"") + b"".join(map(item, parts)) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

def _rle(n):
    run = b"\x81\0"*-(-n//128)
    return struct.pack("<16I", 2, 64, 64 + len(run), *[0]*13) + run*2

def _niftis(c):
    "NIfTI that is bad in ways of its own."
    add = lambda name, data, file="a.nii": c.add("volume", f"NIfTI {name}", file, data)
    for shape in [(0, 40, 40), (-5, 40, 40), (40,), (40, 40), (40, 40, 2, 3), (40, 40, 2, 1, 1), (32767, 32767, 9), (3, 3, 32767), (32767, 1, 1)]: add(f"of shape {shape}", nifti(shape))
    add("of 65,534 slices of 40 voxels", nifti((2, 20, 32767), data=bytes(2*2*20*32767)))
    for name, dtype, code in [("colours", "u1", 128), ("complex numbers", "c8", 32), ("float64", "<f8", 64), ("a type nobody knows", "u1", 77), ("128-bit floats", "g", 1536), ("bits", "u1", 1)]: add(f"of {name}", nifti((40, 40, 4), dtype, code))
    floats = lambda v: np.full(40*40*4, v, "<f4").tobytes()
    for v in (np.nan, np.inf, -np.inf, 3e38): add(f"that is {v} everywhere", nifti((40, 40, 4), "<f4", 16, floats(v)))
    add("of the whole range of floats", nifti((40, 40, 4), "<f4", 16, np.linspace(-3.4e38, 3.4e38, 6400).astype("<f4").tobytes()))
    for field, values in dict(vox_offset=[0, -352, np.nan, 1e30, 1e6], scl_slope=[np.nan, np.inf, 1e38, -1], scl_inter=[np.inf, 1e38], srow_x=[[np.nan]*4, [0]*4, [1e38]*4], pixdim=[[np.nan]*8, [-1]*8, [0]*8], magic=[b"ni1", b"abc", b""], sizeof_hdr=[0, 540], bitpix=[1], dim=[[9]*8, [3, 40, 40, 4, -1, 0, 0, 0]]).items():
        for v in values: add(f"with {field} {str(v)[:20]}", nifti((40, 40, 4), **{field: v}))
    whole = nifti((40, 40, 4), data=bytes(12_800))
    add("in gzip, followed by 4 GB of zeros", _gz_zeros(whole, 2**32), "a.nii.gz")
    add("in gzip twice", gzip.compress(gzip.compress(whole)), "a.nii.gz")
    add("in gzip with a wrong checksum", gzip.compress(whole)[:-8] + bytes(8), "a.nii.gz")
    add("gzip of something else", gzip.compress(b"hello"), "a.nii.gz")
    add("of 3 GB", sparse(3*2**30, whole))
    add("that says .nii and is a JPEG", _saved(c.rgb, "JPEG"))
    add("that says .nii and is empty", b"")
    pages = [Image.fromarray(c.grey.astype(np.uint16)*100)]*5
    c.add("volume", "a TIFF of 5 pages of 16 bits", "a.tif", _saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    c.add("volume", "a TIFF of 5 pages of 16 bits, cut", "a.tif", _saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])[:-3000])

def _largest(c):
    "The largest files of slices that are read, black but for their end."
    add = lambda name, data, file="a.nii": c.add("volume", f"{name}, as large as is read", file, data)
    for bits in (8, 16, 32):
        side = int((min(MAX_VOXELS, 2*MAX_VOXELS/(bits/8))/8)**.5)//2*2
        head = raw_dicom(*pixel_module(side, side, bits, 8), element(0x7FE0, 0x10, b"OW", b"", side*side*bits))
        add(f"a DICOM of {bits} bits", sparse(len(head) + side*side*bits, head), "a.dcm")
    for code, dtype in ((2, "u1"), (4, "<i2"), (16, "<f4"), (64, "<f8")):
        size = np.dtype(dtype).itemsize
        n = int(min(MAX_VOXELS, 399_000_000/size))//10**6
        head, size = nifti((1000, 1000, n), dtype, code, b""), n*size*10**6
        add(f"a NIfTI of {np.dtype(dtype)}", sparse(len(head) + size, head))
        add(f"a NIfTI of {np.dtype(dtype)} in gzip", _gz_zeros(head, size - 8) + gzip.compress(b"\1"*8), "a.nii.gz")
    n = 99
    for name, more in {"scaled": dict(scl_slope=2., scl_inter=1.), "turned": dict(srow_x=[0, 0, 5, 0], srow_z=[-1, 0, 0, 0])}.items():
        add(f"a NIfTI of float32, {name}", sparse(352 + 1000*1000*n*4, nifti((1000, 1000, n), "<f4", 16, b"", **more)))
    for mode in ("I;16", "I", "RGBA"):
        side = int((MAX_VOXELS/(10 if ";" in mode else 20))**.5)
        page = Image.new(mode, (side, side))
        page.putpixel((0, 0), (1, 2, 3, 4) if mode == "RGBA" else 1000)
        add(f"a TIFF of 10 pages, mode {mode}", _saved(page, "TIFF", save_all=True, append_images=[page]*9, compression="tiff_deflate"), "a.tif")

def _tables(c):
    "Tables that nobody should have saved."
    ok = "filepath,label\nwhole.png,glioma\n"
    rows = dict(empty="", blank="\n\n\n", header="filepath,label\n", good=ok, **{"a byte-order mark": "\ufeff" + ok, "columns of spaces": " filepath , label \nwhole.png,glioma\n", "column filepath twice": "filepath,label,filepath\nwhole.png,glioma,b\n", "column label twice": "filepath,label,label\nwhole.png,glioma,notumor\n",
        "no label": "filepath\nwhole.png\n", "no header": "whole.png,glioma\n", "semicolons": ok.replace(",", ";"), "tabs": ok.replace(",", "\t"), "a row too long": ok + "a,b,c,d\n", "a row too short": ok + "a\n", "a quote that never ends": 'filepath,label\n"whole.png,glioma\n', "quotes": 'filepath,label\n"whole.png","glioma"\n',
        "NULs in the path": "filepath,label\nwh\0ole.png,glioma\n", "NULs in the header": "file\0path,label\nwhole.png,glioma\n", "NULs only": "\0"*1000, "a path of a million letters": f"filepath,label\n{'a'*10**6},glioma\n", "a label of a million letters": f"filepath,label\nwhole.png,{'g'*10**6}\n",
        "a column of a million letters": f"{'f'*10**6},label\nwhole.png,glioma\n", "a million commas": "filepath,label" + ","*10**6 + "\nwhole.png,glioma\n", "a path above the folder": "filepath,label\n../../../../../../etc/passwd,glioma\n", "an absolute path": "filepath,label\n/etc/passwd,glioma\n", "an absolute path to a device": "filepath,label\n/dev/zero,glioma\n",
        "a path that is a folder": "filepath,label\n.,glioma\n", "an address": "filepath,label\nhttp://localhost/x.png,glioma\n", "a path with a line break": 'filepath,label\n"who\nle.png",glioma\n', "a path that isn't there": "filepath,label\n" + "".join(f"{k}.png,glioma\n" for k in range(2000)), "the same path twice": ok + "whole.png,glioma\n",
        "one path spelled twice": ok + "./whole.png,glioma\n", "a formula": "filepath,label\n=cmd|' /C calc'!A0,glioma\n", "labels that are numbers": "filepath,label\nwhole.png,1\n", "labels that are NaN": "filepath,label\nwhole.png,nan\n", "no path": "filepath,label\n,glioma\n", "columns y and sha already": "filepath,label,y,sha,width\nwhole.png,glioma,9,x,-1\n",
        "an index column": ",filepath,label\n0,whole.png,glioma\n", "a group that is NaN": "filepath,label,group\nwhole.png,glioma,\n", "control characters": "filepath,label\n\x1b[31m\x07.png,glioma\n", "an unknown label with control characters": "filepath,label\nwhole.png,\x1b]0;x\x07\n", "line ends of three kinds": "filepath,label\r\nwhole.png,glioma\rwhole.png,glioma\n",
        "columns problem and done": "filepath,label,problem,done\nwhole.png,glioma,none,never\n"})
    for name, text in rows.items(): c.add("table", f"CSV: {name}", "table.csv", text.encode())
    for name, data in {"UTF-16": ok.encode("utf-16"), "UTF-16 without a mark": ok.encode("utf-16-le"), "UTF-32": ok.encode("utf-32"), "Latin-1": "filepath,label\nGröße.png,glioma\n".encode("latin-1"), "two encodings": "filepath,label\nGröße.png,glioma\n".encode() + "Größe.png,glioma\n".encode("latin-1"), "half a letter": ok.encode() + b"\xc3",
                       "a PNG": c.good, "gzip": gzip.compress(ok.encode()), "noise": np.random.default_rng(4).bytes(10_000), "a million rows that are wrong": b"filepath,label\n" + b"x.png,nothing\n"*10**6, "a spreadsheet": b"PK\3\4" + bytes(200)}.items(): c.add("table", f"CSV: {name}", "table.csv", data)
    c.add("table", "CSV: 3 GB of zeros", "table.csv", sparse(3*2**30, b"filepath,label\n"))
    c.add("table", "CSV: 30 MB of commas", "table.csv", ("filepath,label" + ","*47 + "\n").encode() + (b"x.png,glioma" + b","*47 + b"\n")*490_000)
    c.add("table", "CSV: a million rows", "table.csv", b"filepath,label\n" + b"".join(b"%d.png,glioma\n" % k for k in range(10**6)))
    c.add("table", "CSV: half a million paths that aren't there", "table.csv", b"filepath,label\n" + b"".join(b"%d.png,glioma\n" % k for k in range(500_000)))
    c.add("table", "CSV: in a folder that may not be opened", "table.csv", lambda p: (p.write_text(ok), p.parent.chmod(0)), closed=True)
    c.add("table", "CSV: a folder", "table.csv", Path.mkdir)
    c.add("table", "CSV: a link to itself", "table.csv", lambda p: p.symlink_to(p.name))
    c.add("table", "CSV: may not be read", "table.csv", lambda p: (p.write_text(ok), p.chmod(0)), closed=True)
    _cut(c, "table", "CSV", "table.csv", (ok*20).encode())

def write_untrained(folder, img_size=16):
    "A bundle of an ANN that has learned nothing, with a gate that lets everything pass."
    from brainmri.models.weights import save_weights
    from brainmri.models.recipes import get_recipe, recipe_network
    folder = Path(folder)
    recipe = replace(get_recipe("ann_baseline"), img_size=img_size)
    save_weights(recipe_network(recipe), folder/"model.safetensors")
    sets = {str(level): dict.fromkeys(STUDY_CLASSES, level) for level in (.8, .9, .95)}
    write_bundle(folder, recipe, gate=open_gate(), temperature=1.5, conformal=sets)
    return folder

def open_gate(width=256):
    "A gate for `width` features that lets everything pass."
    means = np.zeros((len(STUDY_CLASSES), width), np.float32)
    whiten = np.eye(width, dtype=np.float32)
    return Gate(means, whiten, limit=1e9, contrast=0., color=1e9, grain=1e9)

def seal(folder):
    "Make the checksums in the bundle in `folder` fit, as anyone can who changes it, if its description can be read at all."
    file = Path(folder)/NAMES[0]
    try:
        about = json.loads(file.read_bytes())
        about["files"] = {o: file_hash(file.parent/o) for o in about["files"] if o in NAMES[1:]}
        file.write_text(json.dumps({**about, "checksum": bundle_checksum(about)}))
    except (ValueError, RecursionError, TypeError, KeyError): pass

def _bundles(c, whole):
    "Bundles in which somebody has written."
    text, weights, gate = ((whole/o).read_bytes() for o in ("bundle.json", "model.safetensors", "gate.safetensors"))
    def add(name, **files):
        "The whole bundle, with some of its files otherwise; `None` for one that is missing."
        def write(path):
            path.mkdir()
            for k, v in {"bundle.json": text, "model.safetensors": weights, "gate.safetensors": gate, **{f"{k}.json" if k == "bundle" else f"{k}.safetensors": v for k, v in files.items()}}.items():
                if callable(v): v(path/k)
                elif v is not None: (path/k).write_bytes(v)
        c.add("bundle", f"bundle {name}", "bundle", write)
    def forged(name, sealed=True, **entries):
        "With other entries and, as anyone can compute it, the right checksum."
        b = {**json.loads(text), **entries}
        add(f"with {name}" + ("" if sealed else " and the old checksum"), bundle=json.dumps({**b, "checksum": bundle_checksum(b)} if sealed else b).encode())
    def other(name, model=weights, **entries):
        "With other weights and, as anyone can compute it, their right SHA-256."
        import hashlib
        forged(name, files={"model.safetensors": hashlib.sha256(model).hexdigest(), "gate.safetensors": json.loads(text)["files"]["gate.safetensors"]}, **entries)
        (c.cases[-1].path/"model.safetensors").write_bytes(model)
    add("that is whole")
    for k in ("bundle", "model", "gate"): add(f"without {k}", **{k: None})
    for k in ("bundle", "model", "gate"): add(f"with an empty {k}", **{k: b""})
    for k, data in dict(bundle=text, model=weights).items():
        for n in range(1, 10): add(f"with {k} cut at {n}0 %", **{k: data[:len(data)*n//10]})
    for k in ("bundle", "model"): add(f"whose {k} is a folder", **{k: Path.mkdir})
    for k in ("bundle", "model"): add(f"whose {k} is a named pipe", **{k: os.mkfifo})
    for k in ("bundle", "model"): add(f"whose {k} is a link to itself", **{k: lambda p: p.symlink_to(p.name)})
    for k in ("bundle", "model"): add(f"whose {k} has 3 GB", **{k: sparse(3*2**30)})
    for name, data in {"a list": b"[]", "a number": b"1", "null": b"null", "brackets": b"["*200_000, "brackets that end": b"["*100_000 + b"]"*100_000, "noise": np.random.default_rng(5).bytes(5000), "UTF-16": text.decode().encode("utf-16"), "a byte-order mark": b"\xef\xbb\xbf" + text, "a number of 10,000 digits": b'{"schema": ' + b"9"*10_000 + b"}",
                       "NaN": text.replace(b"1.5", b"NaN"), "an entry twice": text[:-3] + b', "schema": 3}\n', "a lone surrogate": text.replace(b"ann_baseline", b"\\ud800")}.items(): add(f"whose description is {name}", bundle=data)
    for k in ("bundle", "model"):
        add(f"whose {k} may not be read", **{k: _closed})
        c.cases[-1] = replace(c.cases[-1], closed=True)
    r = json.loads(text)["recipe"]
    for name, e in {"no entries": {k: None for k in json.loads(text)}, "img_size 10⁹": dict(img_size=10**9), "img_size 10²⁰": dict(img_size=10**20), "img_size 20,000": dict(img_size=20_000), "margin 10⁹": dict(margin=10**9), "margin 10³⁰": dict(margin=10**30), "no files": dict(files={}), "files above the folder": dict(files={"../../x": "0", "model.safetensors": "0", "gate.safetensors": "0"}),
                    "an absolute file": dict(files={"/etc/passwd": "0", "model.safetensors": "0", "gate.safetensors": "0"}), "a device for a file": dict(files={"/dev/zero": "0", "model.safetensors": "0", "gate.safetensors": "0"}), "a file with a NUL": dict(files={"a\0b": "0", "model.safetensors": "0", "gate.safetensors": "0"}), "a file of a million letters": dict(files={"a"*10**6: "0", "model.safetensors": "0", "gate.safetensors": "0"}),
                    "a checksum that is a number": dict(files={"model.safetensors": 0, "gate.safetensors": 0}), "a recipe that is text": dict(recipe="os.system"), "a recipe without a body": dict(recipe={k: v for k, v in r.items() if k != "body"}), "a recipe of an unknown body": dict(recipe={**r, "body": "x"}), "an unknown head": dict(recipe={**r, "head": "__class__"}), "a VGG's recipe": dict(recipe={**r, "body": "vgg16_bn", "head": "mlp"}),
                    "a recipe whose body timm would fetch": dict(recipe={**r, "body": "timm:hf-hub:a/b", "head": "linear"}), "a recipe with more": dict(recipe={**r, "__reduce__": 1}),
                    "phases that are numbers": dict(recipe={**r, "phases": [1]}), "a recipe's name of a million letters": dict(recipe={**r, "name": "n"*10**6}), "a recipe's name with control characters": dict(recipe={**r, "name": "\x1b[31m\n"}), "a body that is a list": dict(body=[1]), "an unknown body": dict(body="x"), "a body that timm would fetch": dict(body="timm:hf-hub:a/b"), "a mean of words": dict(mean=["a", "b", "c"]), "std 0": dict(std=[0, 0, 0]), "std 10³⁰⁸": dict(std=[1e308]*3), "temperature 10⁻³⁰⁸": dict(temperature=1e-308),
                    "temperature true": dict(temperature=True), "no classes": dict(classes=[]), "other classes": dict(classes=["a", "b", "c", "d"]), "conformal of words": dict(conformal={"0.9": "all"}), "conformal for other classes": dict(conformal={"0.9": {"a": 1}}), "no conformal level": dict(conformal={}), "a gate of words": dict(gate="open"), "a gate without limit": dict(gate=dict(contrast=1)), "no gate, though there is one": dict(gate=None), "schema 99": dict(schema=99), "schema true": dict(schema=True),
                    "schema of a million letters": dict(schema="x"*10**6), "an integer too large for a float": dict(temperature=10**400)}.items(): forged(name, **e)
    forged("an entry changed", sealed=False, margin=0)
    _weights(other, weights)

def _closed(path): path.touch(0)

def _weights(other, weights):
    "Weights that aren't, with the right SHA-256."
    from safetensors.numpy import load, save
    w = load(weights)
    first = next(iter(w))
    head = lambda text, n=None: struct.pack("<Q", len(text) if n is None else n) + text
    for name, data in {"empty": b"", "a header of 2⁶⁴ bytes": head(b"{}", 2**64 - 1), "a header of 90 MB that isn't there": head(b"{}", 90_000_000), "a header that is no JSON": head(b"{nothing"), "a header of brackets": head(b'{"a":' + b"["*100_000), "a pickle": b"\x80\4\x95\x0e\0\0\0\0\0\0\0\x8c\2os\x94.", "a zip archive": b"PK\3\4" + bytes(1000),
                       "no tensors": save({}), "one tensor less": save({k: v for k, v in w.items() if k != first}), "one tensor more": save({**w, "extra": w[first]}), "another shape": save({**w, first: w[first].T.copy() if w[first].ndim > 1 else w[first][:-1].copy()}), "a scalar": save({**w, first: np.array(1, np.float32)}), "float64": save({k: v.astype(np.float64) for k, v in w.items()}), "float16": save({k: v.astype(np.float16) for k, v in w.items()}),
                       "bytes": save({k: v.astype(np.int8) for k, v in w.items()}), "NaN": save({k: np.full_like(v, np.nan) for k, v in w.items()}), "infinity": save({k: np.full_like(v, np.inf) for k, v in w.items()}), "the largest numbers": save({k: np.full_like(v, 3e38) for k, v in w.items()}), "offsets beyond the end": weights[:len(weights)//2],
                       "a name of a million letters": save({**w, "n"*10**6: w[first]}), "a name with control characters": save({**w, "\x1b[31m\n": w[first]})}.items(): other(f"weights that are {name}", data)
    other("a file that a pickle would run", b"cos\nsystem\n(S'true'\ntR.")

def _found(c, whole):
    "What `fuzz` has found: the files in `reliability/found`, whose names begin with the reader's."
    for path in sorted((Path(__file__).parent/"found").glob("*-*")):
        reader, data = path.name.split("-")[0], path.read_bytes()
        def bundle(folder):
            shutil.copytree(whole, folder)
            (folder/NAMES[data[0] % 3 if data else 0]).write_bytes(data[1:])
            seal(folder)
        kind, file = dict(image=("picture", "found.png"), table=("table", "found.csv"), dicom=("volume", "found.dcm"), bundle=("bundle", "found"))[reader]
        c.add(kind, f"found by the fuzzer: {path.name}", file, bundle if reader == "bundle" else data)

def _commands(c):
    "Names as they come from a shell."
    for name in ("-x.png", "--help.png", "line\nbreak.png", "with a space.png", "Größe 脑.png", os.fsdecode(b"\xff\xfe.png"), "=1+1.png"):
        for what, data in (("whole", c.good), ("empty", b"")): c.add("command", f"brainmri_predict of {ascii(name)}, {what}", name, data)
    for args in (("--csv",), ("--json",)):
        c.add("command", f"brainmri_predict {args[0]} of a formula with a line break", "=1+1\n.png", c.good, extra=args)


def build(root, whole, quick=False):
    "All cases, in `root`; `whole` is the folder of a bundle that is whole. With `quick` none of the large ones."
    c = Corpus(root)
    for part in (_formats, _damaged, _pictures, _names, _links, _dicoms, _niftis, _tables, *(() if quick else (_bombs, _pieces, _largest, _at_once))): part(c)
    _bundles(c, Path(whole))
    _found(c, Path(whole))
    _commands(c)
    return c.cases

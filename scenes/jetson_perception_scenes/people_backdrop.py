"""Places for people: rooms, corridors and open ground, seen by a camera of known height.

Each pixel's ray is intersected with floor, ceiling and walls, which are painted in their own
coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception_scenes.noise import smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

_TILE = 512
_tiles: list[Field] = []

_FLOORS = (
    (150, 158, 164),
    (120, 126, 132),
    (96, 120, 150),
    (84, 116, 156),
    (140, 150, 160),
    (90, 92, 96),
    (170, 178, 184),
    (100, 96, 84),
)
_WALLS = (
    (214, 222, 226),
    (196, 204, 206),
    (170, 196, 208),
    (206, 200, 184),
    (150, 160, 166),
    (180, 208, 196),
    (226, 228, 230),
    (120, 140, 170),
    (140, 120, 100),
)
_GROUNDS = (
    (92, 96, 98),
    (60, 110, 84),
    (120, 140, 150),
    (74, 92, 110),
    (58, 96, 70),
    (130, 134, 136),
)


@dataclass(frozen=True)
class Lens:
    """A level camera.

    Attributes
    ----------
    size_wh : tuple of int
        Width and height of its pictures, pixels.
    focal : float
        Focal length, pixels.
    horizon : float
        Row of the horizon.
    height : float
        Height above the floor, meters.
    """

    size_wh: tuple[int, int]
    focal: float
    horizon: float
    height: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size_wh: tuple[int, int]) -> Lens:
        """A robot's camera, from that of a vacuum cleaner to one on a mast."""
        width, height = size_wh
        return cls(
            size_wh,
            focal=width * rng.uniform(0.62, 1.15),
            horizon=height * rng.uniform(0.28, 0.62),
            height=float(rng.choice([rng.uniform(0.25, 0.7), rng.uniform(0.7, 1.9)])),
        )

    def foot(self, x: float, z: float) -> tuple[float, float]:
        """Pixel of a point on the floor, x meters to the right and z meters ahead."""
        return (
            self.size_wh[0] / 2 + self.focal * x / z,
            self.horizon + self.focal * self.height / z,
        )

    def scale(self, z: float) -> float:
        """Pixels per meter at a distance."""
        return self.focal / z


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A painted place.

    Attributes
    ----------
    bgr : ndarray, shape (h, w, 3), uint8
        The picture without people.
    depth : float
        Distance of the rear wall, meters.
    walls : tuple of float or None
        x of the walls on the left and on the right, meters; None outdoors.
    """

    bgr: NDArray[np.uint8]
    depth: float
    walls: tuple[float, float] | None


def paint_backdrop(rng: np.random.Generator, lens: Lens, kind: str | None = None) -> Backdrop:
    """A room, a corridor, open ground, or a plain studio.

    Parameters
    ----------
    rng : Generator
        Chooses what differs between places.
    lens : Lens
        The camera.
    kind : str, optional
        One of PLACES, or HALL; None draws one of PLACES.
    """
    if kind is None:
        kind = str(rng.choice(PLACES, p=(0.34, 0.26, 0.28, 0.12)))
    if kind == 'outdoors':
        return _outdoors(rng, lens)
    if kind == 'studio':
        return _studio(rng, lens)
    return _indoors(rng, lens, kind)


PLACES = ('room', 'corridor', 'outdoors', 'studio')

HALL = 'hall'
"""A room whose side walls are out of sight, so that people can enter and leave on both sides."""


def _noise_tile(index: int) -> Field:
    """One of several noise fields that tile in both directions; made once per process."""
    if not _tiles:
        maker = np.random.default_rng(11)
        size = (_TILE, _TILE)
        for cell in ((4, 4), (24, 24), (90, 5), (120, 120)):
            field = smooth_noise(maker, size, cell, octaves=3)
            # A mirrored field repeats without a seam.
            _tiles.append(
                np.ascontiguousarray(
                    np.block([[field, field[:, ::-1]], [field[::-1], field[::-1, ::-1]]])
                )
            )
    return _tiles[index]


def _noise(index: int, u: Field, v: Field, a_meter: float) -> Field:
    tile = _noise_tile(index)
    side = tile.shape[0]
    columns = (u * np.float32(a_meter)).astype(np.int32) % side
    rows = (v * np.float32(a_meter)).astype(np.int32) % side
    return tile[rows, columns]


def _pick(rng: np.random.Generator, colors: tuple) -> Field:
    base = np.asarray(colors[rng.integers(len(colors))], np.float32)
    return np.clip(base * rng.uniform(0.75, 1.1) + rng.normal(0, 8, 3), 10, 245).astype(np.float32)


def _rays(lens: Lens) -> tuple[Field, Field]:
    """Slopes of each column to the right and of each row downwards."""
    width, height = lens.size_wh
    x = (np.arange(width, dtype=np.float32) - np.float32(width / 2)) / np.float32(lens.focal)
    y = (np.arange(height, dtype=np.float32) - np.float32(lens.horizon)) / np.float32(lens.focal)
    return x, y


def _floor(
    rng: np.random.Generator, kind: str, color: Field, u: Field, v: Field, blur: Field
) -> Field:
    """Brightness and color of a floor at (u, v) meters; `blur` is the size of a pixel, meters."""
    level = 1 + 0.05 * _noise(1, u, v, 120) + 0.1 * _noise(3, u, v, 60)
    if kind in ('tiles', 'checker'):
        side = np.float32(rng.uniform(0.3, 0.9))
        s, t = u / side, v / side
        fs, ft = s - np.floor(s), t - np.floor(t)
        edge = np.minimum(np.minimum(fs, 1 - fs), np.minimum(ft, 1 - ft)) * side
        joint = np.clip(1.2 - edge / np.maximum(0.006, blur), 0, 1) * np.clip(
            0.03 / np.maximum(blur, 1e-4), 0, 1
        )
        level *= 1 - np.float32(rng.uniform(0.15, 0.5)) * joint
        if kind == 'checker':
            odd = (np.floor(s) + np.floor(t)).astype(np.int32) % 2
            fade = np.clip(side / (3 * np.maximum(blur, 1e-4)), 0, 1)
            level *= 1 - np.float32(rng.uniform(0.15, 0.6)) * (0.5 + (odd - 0.5) * fade)
    elif kind == 'planks':
        wide, long = np.float32(rng.uniform(0.09, 0.2)), np.float32(rng.uniform(0.9, 1.8))
        row = np.floor(u / wide)
        at = v / long + row * np.float32(0.37)
        level *= (
            1
            + 0.14
            * _noise_tile(0)[
                (row.astype(np.int32) * 7) % _TILE, (np.floor(at).astype(np.int32) * 13) % _TILE
            ]
        )
        level += 0.1 * _noise(2, v, u, 260)
        f = u / wide - row
        level *= 1 - 0.35 * np.clip(
            1.2 - np.minimum(f, 1 - f) * wide / np.maximum(0.004, blur), 0, 1
        ) * np.clip(0.03 / np.maximum(blur, 1e-4), 0, 1)
    elif kind == 'carpet':
        level += 0.12 * _noise(0, u, v, 300) * np.clip(0.02 / np.maximum(blur, 1e-4), 0, 1)
    elif kind == 'grass':
        near = np.clip(0.05 / np.maximum(blur, 1e-4), 0, 1)
        level += 0.3 * _noise(0, u, v, 180) * near + 0.12 * _noise(1, u, v, 40)
    else:
        level += 0.07 * _noise(1, u, v, 50) + 0.05 * _noise(0, u, v, 200)
    return level[..., None] * color


def _indoors(rng: np.random.Generator, lens: Lens, kind: str) -> Backdrop:
    width, height = lens.size_wh
    corridor = kind == 'corridor'
    depth = rng.uniform(9, 22) if corridor else rng.uniform(4.5, 9)
    half = rng.uniform(1.2, 2.4) if corridor else rng.uniform(3.0, 7.0)
    if kind == HALL:
        depth = rng.uniform(8, 11)
        half = depth * width / lens.focal
    shift = rng.uniform(-0.4, 0.4) * half
    left, right, top = -half + shift, half + shift, rng.uniform(2.5, 4.0)
    top = max(top, lens.height + 0.6)
    x, y = _rays(lens)
    tiny = np.float32(1e-6)
    to_floor = np.where(y > 0, np.float32(lens.height) / np.maximum(y, tiny), np.float32(1e6))
    to_ceiling = np.where(
        y < 0, np.float32(top - lens.height) / np.maximum(-y, tiny), np.float32(1e6)
    )
    along = np.minimum(np.minimum(to_floor, to_ceiling), np.float32(depth))[:, None]
    side = np.where(x < 0, np.float32(left), np.float32(right)) / np.where(
        np.abs(x) < tiny, tiny, x
    )
    side = np.where(side > 0, side, np.float32(1e6))[None, :]
    z = np.minimum(along, side)
    world_x, world_y = x[None, :] * z, np.float32(lens.height) - y[:, None] * z
    blur = z / np.float32(lens.focal)
    on_side = np.broadcast_to(side < along, z.shape)
    picture = np.empty((height, width, 3), np.float32)
    wall_color, trim = _pick(rng, _WALLS), _pick(rng, _FLOORS) * 0.8
    dado = rng.uniform(0.8, 1.4) if rng.random() < 0.35 else 0.0
    low_color = _pick(rng, _WALLS)
    skirting = rng.uniform(0.06, 0.14)
    walls = ~(on_side) & (z >= np.float32(depth) * 0.9999) | on_side
    u = np.where(on_side, z, world_x)
    rows, columns = np.nonzero(walls)
    uw, vw = u[rows, columns], world_y[rows, columns]
    sided = on_side[rows, columns]
    color = np.empty((len(rows), 3), np.float32)
    color[:] = wall_color
    if dado:
        color[vw < dado] = low_color
        color[np.abs(vw - dado) < 0.03] = trim
    shade = 1 + 0.03 * _noise(3, uw, vw, 60) + 0.02 * _noise(1, uw, vw, 70)
    if rng.random() < 0.2:
        s, t = uw / np.float32(0.24), vw / np.float32(0.08)
        f, g = s + 0.5 * (np.floor(t) % 2), t - np.floor(t)
        f = f - np.floor(f)
        shade = shade * (
            1 - 0.22 * ((g < 0.14) | (f < 0.05)) * np.clip(0.02 / blur[rows, columns], 0, 1)
        )
    _hang_pictures(rng, color, uw, vw, sided, x, left, right, depth, top)
    shade[sided] *= np.where(
        x[columns[sided]] < 0,
        np.float32(rng.uniform(0.75, 1.0)),
        np.float32(rng.uniform(0.75, 1.0)),
    )
    corner = np.where(sided, depth - uw, np.minimum(np.abs(uw - left), np.abs(right - uw)))
    shade *= 1 - 0.16 * np.exp(-corner / np.float32(0.35)) - 0.12 * np.exp(-vw / np.float32(0.25))
    color[(vw < skirting)] = trim
    picture[rows, columns] = color * shade[:, None]
    flat = ~walls
    floor_rows = flat & (y > 0)[:, None]
    rows, columns = np.nonzero(floor_rows)
    floor = str(rng.choice(['tiles', 'checker', 'planks', 'carpet', 'concrete']))
    wx, wz = world_x[rows, columns] + 50, z[rows, columns]
    ground = _floor(
        rng,
        floor,
        _pick(rng, _FLOORS),
        wx,
        wz,
        blur[rows, columns] * np.maximum(1, wz / np.float32(2 * lens.height)),
    )
    near_wall = np.minimum(np.minimum(wx - 50 - left, right - wx + 50), depth - wz)
    picture[rows, columns] = (
        ground * (1 - 0.2 * np.exp(-np.maximum(near_wall, 0) / np.float32(0.3)))[:, None]
    )
    rows, columns = np.nonzero(flat & (y <= 0)[:, None])
    ceiling = np.empty((len(rows), 3), np.float32)
    ceiling[:] = _pick(rng, ((225, 228, 230), (190, 196, 200), (150, 150, 150))) * np.float32(0.85)
    step, long = rng.uniform(1.8, 3.5), rng.uniform(0.5, 1.4)
    wx, wz = world_x[rows, columns], z[rows, columns]
    lamp = (np.abs(wx - shift) < 0.3) & (wz % step < long)
    ceiling[lamp] = 250
    picture[rows, columns] = ceiling
    picture *= (1.08 - 0.3 * np.clip(z / np.float32(depth), 0, 1) * np.float32(rng.uniform(0, 1)))[
        ..., None
    ]
    if rng.random() < 0.4:
        _sun_patch(rng, picture, floor_rows, world_x, z)
    return Backdrop(np.clip(picture, 0, 255).astype(np.uint8), depth, (left, right))


def _hang_pictures(
    rng: np.random.Generator,
    color: Field,
    u: Field,
    v: Field,
    sided: NDArray[np.bool_],
    x: Field,
    left: float,
    right: float,
    depth: float,
    top: float,
) -> None:
    """Add frames, boards, windows and pipes to the walls, in place."""
    for _ in range(int(rng.integers(0, 6))):
        on_side = rng.random() < 0.4
        at = rng.uniform(2.0, depth) if on_side else rng.uniform(left, right)
        half_u, half_v = rng.uniform(0.15, 0.8), rng.uniform(0.1, 0.5)
        middle = rng.uniform(0.9, max(1.0, top - 0.6))
        part = (
            (sided == on_side)
            & (np.abs(u - np.float32(at)) < half_u)
            & (np.abs(v - np.float32(middle)) < half_v)
        )
        inner = (
            part
            & (np.abs(u - np.float32(at)) < half_u - 0.03)
            & (np.abs(v - np.float32(middle)) < half_v - 0.03)
        )
        color[part] = _pick(rng, _FLOORS) * 0.6
        one, two = (
            rng.uniform(20, 240, 3).astype(np.float32),
            rng.uniform(20, 240, 3).astype(np.float32),
        )
        mix = np.clip(
            0.5
            + (v[inner] - np.float32(middle)) / np.float32(2 * half_v)
            + 0.3 * _noise(3, u[inner], v[inner], 300),
            0,
            1,
        )
        color[inner] = one + (two - one) * mix[:, None]
    if rng.random() < 0.3:
        at = np.float32(rng.uniform(0.2, top))
        pipe = np.abs(v - at) < 0.04
        color[pipe] = _pick(rng, _WALLS) * (0.6 + 8 * np.abs(v[pipe] - at + 0.01))[:, None]


def _sun_patch(
    rng: np.random.Generator, picture: Field, floor: NDArray[np.bool_], x: Field, z: Field
) -> None:
    """Add light from a window to the floor, in place."""
    slant, at, wide = rng.uniform(-0.6, 0.6), rng.uniform(-1.5, 1.5), rng.uniform(0.3, 0.8)
    across = x + np.float32(slant) * z - np.float32(at)
    lit = (
        floor
        & (np.abs(across) < wide)
        & (np.abs(across) > 0.04)
        & (np.abs(z - rng.uniform(2, 5)) < rng.uniform(0.5, 1.4))
    )
    gain = cv2.GaussianBlur(lit.astype(np.float32), (0, 0), 2.0) * np.float32(
        rng.uniform(0.2, 0.6)
    )
    picture *= (1 + gain)[..., None]


def _outdoors(rng: np.random.Generator, lens: Lens) -> Backdrop:
    width, height = lens.size_wh
    _, y = _rays(lens)
    x, _ = _rays(lens)
    far = rng.uniform(25, 60)
    picture = np.empty((height, width, 3), np.float32)
    high, low = (
        np.array(c, np.float32)
        for c in (
            ((210, 160, 100), (232, 214, 190)),
            ((200, 196, 190), (226, 224, 222)),
            ((150, 120, 90), (170, 190, 226)),
        )[rng.integers(3)]
    )
    up = np.clip(-y / np.float32(0.5), 0, 1)[:, None, None]
    clouds = smooth_noise(rng, (width, height), (width / 2.5, height / 5), octaves=4)
    cover = np.clip(clouds * 1.4 + rng.uniform(-0.6, 0.4), 0, 1)[..., None] * 0.8
    sky = low + (high - low) * up
    picture[:] = sky + (np.float32(238) - sky) * cover
    bottom = lens.horizon + lens.focal * lens.height / far
    for layer in range(int(rng.integers(1, 4))):
        color = _pick(
            rng, ((70, 90, 70), (110, 112, 104), (60, 80, 60), (130, 140, 150), (96, 110, 130))
        )
        color = color + (low - color) * np.float32(0.5 - 0.16 * layer)
        tall = height * rng.uniform(0.03, 0.3)
        if rng.random() < 0.5:
            line = (
                smooth_noise(rng, (width, 1), (width / 6, 1), octaves=4)[0] * tall * 0.5
                + tall * 0.6
            )
        else:
            blocks = rng.uniform(0.2, 1.0, 12).astype(np.float32) * np.float32(tall)
            line = blocks[(np.arange(width) * 12 // width + rng.integers(12)) % 12]
        rows = np.arange(height, dtype=np.float32)[:, None]
        hill = (rows > bottom - line[None, :]) & (rows < bottom + 2)
        grain = 1 + 0.12 * cv2.resize(_noise_tile(1)[:256, :256], (width, height))
        picture = np.where(hill[..., None], color * grain[..., None], picture)
    first = int(np.clip(np.ceil(bottom), 0, height))
    if first < height:
        z = np.broadcast_to(
            (np.float32(lens.height) / np.maximum(y[first:], 1e-6))[:, None],
            (height - first, width),
        )
        u = x[None, :] * z + 300
        kind = str(rng.choice(['grass', 'asphalt', 'tiles']))
        colors = {
            'grass': ((60, 120, 84), (58, 100, 76), (70, 130, 120)),
            'asphalt': _GROUNDS,
            'tiles': _FLOORS,
        }[kind]
        ground = _floor(
            rng,
            kind,
            _pick(rng, colors),
            u,
            z,
            z / np.float32(lens.focal) * np.maximum(1, z / np.float32(2 * lens.height)),
        )
        if rng.random() < 0.4:
            at, half = rng.uniform(-2, 2), rng.uniform(0.6, 2.0)
            path = np.abs(u - 300 - np.float32(at) - np.float32(rng.uniform(-0.3, 0.3)) * z) < half
            ground = np.where(
                path[..., None], _floor(rng, 'concrete', _pick(rng, _FLOORS), u, z, z), ground
            )
        haze = np.clip(z / np.float32(far), 0, 1)[..., None] * np.float32(0.5)
        picture[first:] = ground + (low * 0.8 - ground) * haze
    return Backdrop(np.clip(picture, 0, 255).astype(np.uint8), far, None)


def _studio(rng: np.random.Generator, lens: Lens) -> Backdrop:
    """Blended colors with meaningless shapes."""
    width, height = lens.size_wh
    corners = rng.uniform(20, 235, (2, 2, 3)).astype(np.float32)
    picture = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    picture += (
        18 * smooth_noise(rng, (width, height), (width / 4, height / 4), octaves=5)[..., None]
    )
    for _ in range(int(rng.integers(0, 14))):
        color = [float(c) for c in rng.uniform(10, 245, 3)]
        center = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.uniform(4, width / 5)), int(rng.uniform(4, height / 5)))
        kind = rng.integers(3)
        if kind == 0:
            cv2.ellipse(
                picture, center, axes, float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA
            )
        elif kind == 1:
            points = (np.array(center) + rng.uniform(-1, 1, (4, 2)) * axes).astype(np.int32)
            cv2.fillPoly(picture, [points], color, cv2.LINE_AA)
        else:
            end = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            cv2.line(picture, center, end, color, int(rng.integers(1, 9)), cv2.LINE_AA)
    return Backdrop(np.clip(picture, 0, 255).astype(np.uint8), 30.0, None)

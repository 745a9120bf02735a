"""Everything that touches Blender's data: meshes, images and materials made of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from data_tools.render.body import Maps, Mesh
from data_tools.render.parts import Part

Colour = tuple[float, float, float]


def empty_scene() -> Any:
    """A scene with nothing in it; only how many threads render stays as it was."""
    render = bpy.context.scene.render
    threads = render.threads_mode, render.threads
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.threads_mode, render.threads = threads
    return bpy.context.scene


def add_mesh(mesh: Mesh, materials: list[Any], name: str, parent: Any = None, index: np.ndarray | None = None) -> Any:
    """One object; `index` (F,) picks each face's material."""
    data = bpy.data.meshes.new(name)
    count, corners = mesh.faces.shape
    data.vertices.add(len(mesh.vertices))
    data.vertices.foreach_set("co", mesh.vertices.reshape(-1).astype(np.float32))
    data.loops.add(count * corners)
    data.loops.foreach_set("vertex_index", mesh.faces.reshape(-1).astype(np.int32))
    data.polygons.add(count)
    data.polygons.foreach_set("loop_start", np.arange(0, count * corners, corners, dtype=np.int32))
    data.update(calc_edges=True)
    if mesh.uv is not None:
        layer = data.uv_layers.new(name="map")
        layer.data.foreach_set("uv", mesh.uv[mesh.faces.reshape(-1)].reshape(-1).astype(np.float32))
    data.polygons.foreach_set("use_smooth", np.full(len(mesh.faces), mesh.smooth))
    for material in materials:
        data.materials.append(material)
    if index is not None:
        data.polygons.foreach_set("material_index", index.astype(np.int32))
    data.update()
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    thing.parent = parent
    return thing


def add_parts(parts: list[Part], materials: dict[str, Any], name: str, parent: Any) -> list[Any]:
    """All parts of one material and one kind of shading become one object."""
    groups: dict[tuple[str, bool], list[Mesh]] = {}
    for part in parts:
        groups.setdefault((part.material, part.mesh.smooth), []).append(part.mesh)
    return [
        add_mesh(_joined(meshes), [materials[material]], f"{name} {material}", parent)
        for (material, _), meshes in groups.items()
    ]


def _joined(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        smooth=meshes[0].smooth,
    )


def add_image(name: str, pixels: np.ndarray, colour: bool) -> Any:
    """pixels (H, W, 4) float32 in [0, 1], first row at the bottom; `colour` for sRGB, else plain numbers."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=False, is_data=not colour)
    image.alpha_mode = "CHANNEL_PACKED"
    image.pixels.foreach_set(np.ascontiguousarray(pixels, dtype=np.float32).reshape(-1))
    image.update()
    image.pack()
    return image


@dataclass(frozen=True)
class Finish:
    """How a surface looks: `colour` linear RGB, the rest as Blender's Principled BSDF names it."""

    colour: Colour
    roughness: float = 0.5
    metallic: float = 0.0
    coat: float = 0.0
    glow: float = 0.0


FINISHES = {
    "tyre": Finish((0.012, 0.012, 0.013), 0.85),
    "wheel": Finish((0.55, 0.56, 0.58), 0.28, 0.95),
    "wheel dark": Finish((0.035, 0.035, 0.04), 0.3, 0.6, 0.5),
    "disc": Finish((0.25, 0.25, 0.26), 0.4, 0.9),
    "black": Finish((0.004, 0.004, 0.004), 0.9),
    "trim": Finish((0.014, 0.014, 0.015), 0.5),
    "chrome": Finish((0.75, 0.76, 0.78), 0.08, 1.0),
    "mirror": Finish((0.6, 0.65, 0.7), 0.03, 1.0),
    "seat": Finish((0.03, 0.028, 0.026), 0.8),
    "tail lamp": Finish((0.35, 0.006, 0.008), 0.12, 0.0, 1.0, 0.3),
    "lamp": Finish((0.9, 0.9, 0.9), 0.1, 0.0, 1.0, 0.6),
    "crate": Finish((0.28, 0.19, 0.10), 0.8),
    "jacket": Finish((0.03, 0.03, 0.035), 0.7),
    "jeans": Finish((0.03, 0.045, 0.09), 0.9),
    "helmet": Finish((0.6, 0.6, 0.6), 0.2, 0.0, 1.0),
    "visor": Finish((0.01, 0.01, 0.012), 0.05, 0.0, 1.0),
}


def plain_material(name: str, finish: Finish) -> Any:
    """One finish all over."""
    material = bpy.data.materials.get(name)
    if material is not None:
        return material
    material = glow_only(bpy.data.materials.new(name))
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    _set(shader, finish)
    return material


def glow_only(material: Any) -> Any:
    """Let what glows be seen and mirrored but not sampled as a lamp, and return the material.

    Cycles would else sort every triangle of a body with lamps on it into its light tree, seconds for each frame; lamps
    that light a place are lights of their own.
    """
    material.cycles.emission_sampling = "NONE"
    return material


def _set(shader: Any, finish: Finish) -> None:
    shader.inputs["Base Color"].default_value = (*finish.colour, 1)
    shader.inputs["Roughness"].default_value = finish.roughness
    shader.inputs["Metallic"].default_value = finish.metallic
    shader.inputs["Coat Weight"].default_value = finish.coat
    shader.inputs["Coat Roughness"].default_value = 0.03
    if finish.glow:
        shader.inputs["Emission Color"].default_value = (*finish.colour, 1)
        shader.inputs["Emission Strength"].default_value = finish.glow


def map_images(name: str, maps: Maps) -> tuple[Any, Any]:
    """The maps packed into two images."""
    first = np.stack([maps.trim, maps.chrome, maps.headlamp, maps.tail_lamp], axis=-1)
    second = np.stack([maps.glass, maps.light, maps.seam, maps.cut], axis=-1)
    return add_image(f"{name} 1", first, False), add_image(f"{name} 2", second, False)


def body_material(name: str, images: tuple[Any, Any], paint: Finish, dirt: float, lights: float) -> Any:
    """Paint with clear coat, and over it what the maps say; `lights` is how strongly the lamps glow."""
    material = glow_only(bpy.data.materials.new(name))
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()

    def node(kind: str, **values: Any) -> Any:
        made = nodes.new(kind)
        for key, value in values.items():
            setattr(made, key, value)
        return made

    def channels(image: Any) -> list[Any]:
        texture = node("ShaderNodeTexImage", image=image, interpolation="Cubic", extension="EXTEND")
        split = node("ShaderNodeSeparateColor")
        links.new(texture.outputs["Color"], split.inputs["Color"])
        return [*(split.outputs[part] for part in ("Red", "Green", "Blue")), texture.outputs["Alpha"]]

    def mixed(mask: Any, below: Any, above: Any, data_type: str) -> Any:
        mix = node("ShaderNodeMix", data_type=data_type)
        offset = {"FLOAT": 2, "RGBA": 6}[data_type]
        links.new(mask, mix.inputs[0])
        for value, place in ((below, offset), (above, offset + 1)):
            if hasattr(value, "is_output"):
                links.new(value, mix.inputs[place])
            else:
                mix.inputs[place].default_value = value
        return mix.outputs[{"FLOAT": 0, "RGBA": 2}[data_type]]

    trim, chrome, head, tail = channels(images[0])
    glass, light, seam, cut = channels(images[1])
    colour: Any = (*paint.colour, 1)
    # Flakes: a fine noise lightens the paint where it faces the viewer.
    facing = node("ShaderNodeLayerWeight")
    facing.inputs["Blend"].default_value = 0.35
    darker = tuple(value * 0.55 for value in paint.colour)
    colour = mixed(facing.outputs["Facing"], colour, (*darker, 1), "RGBA")
    if dirt > 0:
        noise = node("ShaderNodeTexNoise")
        noise.inputs["Scale"].default_value = 3.0
        noise.inputs["Detail"].default_value = 8.0
        height = node("ShaderNodeSeparateXYZ")
        place = node("ShaderNodeTexCoord")
        links.new(place.outputs["Object"], noise.inputs["Vector"])
        links.new(place.outputs["Object"], height.inputs["Vector"])
        fade = node("ShaderNodeMapRange")
        links.new(height.outputs["Z"], fade.inputs["Value"])
        for number, value in enumerate((0.2, 0.9, dirt, 0.0), start=1):
            fade.inputs[number].default_value = value
        muddy = node("ShaderNodeMath", operation="MULTIPLY")
        links.new(noise.outputs["Fac"], muddy.inputs[0])
        links.new(fade.outputs["Result"], muddy.inputs[1])
        colour = mixed(muddy.outputs[0], colour, (0.16, 0.13, 0.10, 1), "RGBA")
    layers: list[tuple[Any, Finish]] = [
        (trim, FINISHES["trim"]),
        (chrome, FINISHES["chrome"]),
        (head, Finish((0.16, 0.17, 0.18), 0.08, 0.7)),
        (tail, Finish((0.30, 0.004, 0.006), 0.10)),
        (seam, Finish((0.003, 0.003, 0.003), 0.9)),
    ]
    rough: Any = paint.roughness
    metal: Any = paint.metallic
    for mask, finish in layers:
        colour = mixed(mask, colour, (*finish.colour, 1), "RGBA")
        rough = mixed(mask, rough, finish.roughness, "FLOAT")
        metal = mixed(mask, metal, finish.metallic, "FLOAT")
    # What polished things lie in the lamp is chrome again, over the lamp.
    both = node("ShaderNodeMath", operation="MULTIPLY")
    links.new(chrome, both.inputs[0])
    links.new(head, both.inputs[1])
    colour = mixed(both.outputs[0], colour, (0.85, 0.87, 0.9, 1), "RGBA")
    body = node("ShaderNodeBsdfPrincipled")
    links.new(colour, body.inputs["Base Color"])
    links.new(rough, body.inputs["Roughness"])
    links.new(metal, body.inputs["Metallic"])
    coat = node("ShaderNodeMath", operation="SUBTRACT", use_clamp=True)
    coat.inputs[0].default_value = paint.coat
    links.new(trim, coat.inputs[1])
    links.new(coat.outputs[0], body.inputs["Coat Weight"])
    body.inputs["Coat Roughness"].default_value = 0.02
    glowing = mixed(tail, (0.95, 0.97, 1.0, 1), (1.0, 0.02, 0.02, 1), "RGBA")
    links.new(glowing, body.inputs["Emission Color"])
    strength = node("ShaderNodeMath", operation="MULTIPLY")
    links.new(light, strength.inputs[0])
    strength.inputs[1].default_value = lights
    links.new(strength.outputs[0], body.inputs["Emission Strength"])
    bump = node("ShaderNodeBump")
    bump.inputs["Strength"].default_value = 0.6
    bump.inputs["Distance"].default_value = 0.006
    relief = node("ShaderNodeMath", operation="SUBTRACT")
    relief.inputs[0].default_value = 1.0
    deep = node("ShaderNodeMath", operation="MAXIMUM")
    links.new(seam, deep.inputs[0])
    links.new(glass, deep.inputs[1])
    links.new(deep.outputs[0], relief.inputs[1])
    links.new(relief.outputs[0], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], body.inputs["Normal"])

    clear = node("ShaderNodeBsdfTransparent")
    clear.inputs["Color"].default_value = (0.27, 0.31, 0.31, 1)
    shine = node("ShaderNodeBsdfGlossy")
    shine.inputs["Roughness"].default_value = 0.01
    fresnel = node("ShaderNodeFresnel")
    fresnel.inputs["IOR"].default_value = 1.45
    pane = node("ShaderNodeMixShader")
    links.new(fresnel.outputs["Fac"], pane.inputs[0])
    links.new(clear.outputs[0], pane.inputs[1])
    links.new(shine.outputs[0], pane.inputs[2])
    glazed = node("ShaderNodeMixShader")
    links.new(glass, glazed.inputs[0])
    links.new(body.outputs[0], glazed.inputs[1])
    links.new(pane.outputs[0], glazed.inputs[2])
    nothing = node("ShaderNodeBsdfTransparent")
    opened = node("ShaderNodeMixShader")
    links.new(cut, opened.inputs[0])
    links.new(glazed.outputs[0], opened.inputs[1])
    links.new(nothing.outputs[0], opened.inputs[2])
    output = node("ShaderNodeOutputMaterial")
    links.new(opened.outputs[0], output.inputs["Surface"])
    return material


def picture_material(name: str, image: Any) -> Any:
    """A picture on a slightly glossy surface, by its uv."""
    material = bpy.data.materials.get(name)
    if material is not None:
        return material
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = 0.35
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material

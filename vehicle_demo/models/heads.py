"""The heads that read one vehicle: body type, make, model, colour, re-identification embedding, plate characters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.neck import sinusoidal_positions

PLATE_SLOTS = 8
PLATE_CHARACTERS = 37  # 0-9, A-Z, blank
# Probability of a type or make that no model tells of, as in `recognition.heads`, where networks must not be imported.
UNTOLD = 0.01


class AttributeHeads(nn.Module):
    """Linear heads on one feature vector a picture, joined from the attribute query and the pooled backbone.

    The query sees where things are in the encoder's maps, the pooled feature sees everything once; the sum of both
    projections is the graph's `attribute_features`, on which retraining fits new heads. With a `query_width` of 0 the
    pooled feature tells all. Without `colours` to name there is no head for them.

    A model's name implies its make and body type: what those heads say is added to what the models add up to (see
    `implied_logits`), so that the three agree.
    """

    type_of_model: Tensor
    make_of_model: Tensor

    def __init__(
        self,
        query_width: int,
        pooled_width: int,
        features: int,
        types: int,
        makes: int,
        models: int,
        colours: int,
        embedding: int,
    ) -> None:
        super().__init__()
        self.from_query = nn.Linear(query_width, features) if query_width else None
        self.from_pooled = nn.Linear(pooled_width, features)
        self.normalise = nn.LayerNorm(features)
        self.dropout = nn.Dropout(0.1)
        self.types = nn.Linear(features, types)
        self.makes = nn.Linear(features, makes)
        self.models = nn.Linear(features, models)
        self.colours = nn.Linear(features, colours) if colours else None
        self.embedding = nn.Linear(features, embedding)
        for name in ("type_of_model", "make_of_model"):
            self.register_buffer(name, torch.full((models,), -1))

    def imply(self, types: Sequence[int], makes: Sequence[int]) -> None:
        """Say of every model which type and which make it is of: their numbers, -1 where the name does not tell."""
        self.type_of_model = torch.tensor(types, device=self.type_of_model.device)
        self.make_of_model = torch.tensor(makes, device=self.make_of_model.device)

    def forward(self, query: Tensor, pooled: Tensor) -> dict[str, Tensor]:
        """query (N, query_width), pooled (N, pooled_width) -> logits (N, K), `reid_embeds` (N, E) with unit L2 norm."""
        features = self.from_pooled(pooled)
        if self.from_query is not None:
            features = features + self.from_query(query)
        features = self.normalise(features)
        dropped = self.dropout(features)
        models = self.models(dropped)
        described = {
            "attribute_features": features,
            "vehicle_types": self.types(dropped) + implied_logits(models, self.type_of_model, self.types.out_features),
            "makes": self.makes(dropped) + implied_logits(models, self.make_of_model, self.makes.out_features),
            "models": models,
            "reid_embeds": F.normalize(self.embedding(dropped), dim=-1),
        }
        return described if self.colours is None else {**described, "colours": self.colours(dropped)}


def implied_logits(models: Tensor, implied: Tensor, count: int) -> Tensor:
    """What the models' probabilities add up to for each type (or make): its logarithm.

    models (N, M) logits, implied (M,) int64 the type of each model, -1 for none -> (N, count). Where no model tells,
    every type has the same.
    """
    of = (implied[:, None] == torch.arange(count, device=implied.device)).to(models.dtype)
    return (models.softmax(dim=-1) @ of + UNTOLD).log()


class PlateHead(nn.Module):
    """Eight character slots that look over the finest map, one transformer decoder layer deep."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.randn(1, PLATE_SLOTS, width) * 0.02)
        self.place = nn.Linear(width, width)
        self.layer = nn.TransformerDecoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.characters = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, PLATE_CHARACTERS))

    def forward(self, query: Tensor, finest: Tensor) -> Tensor:
        """query (N, width), finest map (N, width, H, W) -> logits (N, 8, 37)."""
        _, width, rows, columns = finest.shape
        places = self.place(sinusoidal_positions(rows, columns, width, finest.device, finest.dtype))
        tokens = finest.flatten(2).transpose(1, 2) + places
        return self.characters(self.layer(self.slots + query.unsqueeze(1), tokens))

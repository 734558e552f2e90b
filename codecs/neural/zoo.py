"""The files of CompressAI's model zoo, written down as its release 1.2.8 names them, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping

URL = "https://compressai.s3.amazonaws.com/models/v1"
"""Where CompressAI keeps its files. A name ends in the first eight digits of the file's sha256."""

FIXED: Mapping[str, tuple[str, ...]] = {
    "bmshj2018-factorized-mse": (
        "bmshj2018-factorized-prior-1-446d5c7f",
        "bmshj2018-factorized-prior-2-87279a02",
        "bmshj2018-factorized-prior-3-5c6f152b",
        "bmshj2018-factorized-prior-4-1ed4405a",
        "bmshj2018-factorized-prior-5-866ba797",
        "bmshj2018-factorized-prior-6-9b02ea3a",
        "bmshj2018-factorized-prior-7-6dfd6734",
        "bmshj2018-factorized-prior-8-5232faa3",
    ),
    "bmshj2018-factorized-ms-ssim": (
        "bmshj2018-factorized-ms-ssim-1-9781d705",
        "bmshj2018-factorized-ms-ssim-2-4a584386",
        "bmshj2018-factorized-ms-ssim-3-5352f123",
        "bmshj2018-factorized-ms-ssim-4-4f91b847",
        "bmshj2018-factorized-ms-ssim-5-b3a88897",
        "bmshj2018-factorized-ms-ssim-6-ee028763",
        "bmshj2018-factorized-ms-ssim-7-8c265a29",
        "bmshj2018-factorized-ms-ssim-8-8811bd14",
    ),
    "bmshj2018-hyperprior-mse": (
        "bmshj2018-hyperprior-1-7eb97409",
        "bmshj2018-hyperprior-2-93677231",
        "bmshj2018-hyperprior-3-6d87be32",
        "bmshj2018-hyperprior-4-de1b779c",
        "bmshj2018-hyperprior-5-f8b614e1",
        "bmshj2018-hyperprior-6-1ab9c41e",
        "bmshj2018-hyperprior-7-3804dcbd",
        "bmshj2018-hyperprior-8-a583f0cf",
    ),
    "bmshj2018-hyperprior-ms-ssim": (
        "bmshj2018-hyperprior-ms-ssim-1-5cf249be",
        "bmshj2018-hyperprior-ms-ssim-2-1ff60d1f",
        "bmshj2018-hyperprior-ms-ssim-3-92dd7878",
        "bmshj2018-hyperprior-ms-ssim-4-4377354e",
        "bmshj2018-hyperprior-ms-ssim-5-c34afc8d",
        "bmshj2018-hyperprior-ms-ssim-6-3a6d8229",
        "bmshj2018-hyperprior-ms-ssim-7-8747d3bc",
        "bmshj2018-hyperprior-ms-ssim-8-cc15b5f3",
    ),
    "mbt2018-mean-mse": (
        "mbt2018-mean-1-e522738d",
        "mbt2018-mean-2-e54a039d",
        "mbt2018-mean-3-723404a8",
        "mbt2018-mean-4-6dba02a3",
        "mbt2018-mean-5-d504e8eb",
        "mbt2018-mean-6-a19628ab",
        "mbt2018-mean-7-d5d441d1",
        "mbt2018-mean-8-8089ae3e",
    ),
    "mbt2018-mean-ms-ssim": (
        "mbt2018-mean-ms-ssim-1-5bf9c0b6",
        "mbt2018-mean-ms-ssim-2-e2a1bf3f",
        "mbt2018-mean-ms-ssim-3-640ce819",
        "mbt2018-mean-ms-ssim-4-12626c13",
        "mbt2018-mean-ms-ssim-5-1be7f059",
        "mbt2018-mean-ms-ssim-6-b83bf379",
        "mbt2018-mean-ms-ssim-7-ddf9644c",
        "mbt2018-mean-ms-ssim-8-0cc7b94f",
    ),
    "mbt2018-mse": (
        "mbt2018-1-3f36cd77",
        "mbt2018-2-43b70cdd",
        "mbt2018-3-22901978",
        "mbt2018-4-456e2af9",
        "mbt2018-5-b4a046dd",
        "mbt2018-6-7052e5ea",
        "mbt2018-7-8ba2bf82",
        "mbt2018-8-dd0097aa",
    ),
    "mbt2018-ms-ssim": (
        "mbt2018-ms-ssim-1-2878436b",
        "mbt2018-ms-ssim-2-c41cb208",
        "mbt2018-ms-ssim-3-d0dd64e8",
        "mbt2018-ms-ssim-4-a120e037",
        "mbt2018-ms-ssim-5-9b30e3b7",
        "mbt2018-ms-ssim-6-f8b3626f",
        "mbt2018-ms-ssim-7-16e6ff50",
        "mbt2018-ms-ssim-8-0cb49d43",
    ),
    "cheng2020-anchor-mse": (
        "cheng2020-anchor-1-dad2ebff",
        "cheng2020-anchor-2-a29008eb",
        "cheng2020-anchor-3-e49be189",
        "cheng2020-anchor-4-98b0b468",
        "cheng2020-anchor-5-23852949",
        "cheng2020-anchor-6-4c052b1a",
    ),
    "cheng2020-anchor-ms-ssim": (
        "cheng2020_anchor-ms-ssim-1-20f521db",
        "cheng2020_anchor-ms-ssim-2-c7ff5812",
        "cheng2020_anchor-ms-ssim-3-c23e22d5",
        "cheng2020_anchor-ms-ssim-4-0e658304",
        "cheng2020_anchor-ms-ssim-5-c0a95e77",
        "cheng2020_anchor-ms-ssim-6-f2dc1913",
    ),
    "cheng2020-attn-mse": (
        "cheng2020_attn-mse-1-465f2b64",
        "cheng2020_attn-mse-2-e0805385",
        "cheng2020_attn-mse-3-2d07bbdf",
        "cheng2020_attn-mse-4-f7b0ccf2",
        "cheng2020_attn-mse-5-26c8920e",
        "cheng2020_attn-mse-6-730501f2",
    ),
    "cheng2020-attn-ms-ssim": (
        "cheng2020_attn-ms-ssim-1-c5381d91",
        "cheng2020_attn-ms-ssim-2-5dad201d",
        "cheng2020_attn-ms-ssim-3-5c9be841",
        "cheng2020_attn-ms-ssim-4-8b2f647e",
        "cheng2020_attn-ms-ssim-5-5ca1f34c",
        "cheng2020_attn-ms-ssim-6-216423ec",
    ),
}
"""By architecture and metric: the files of qualities 1, 2, ..., rising in rate; each name lacks ".pth.tar"."""

VARIABLE: Mapping[str, str] = {
    "bmshj2018-hyperprior-vbr-mse": "bmshj2018-hyperprior-mse-vbr-cddd26be",
    "mbt2018-mean-vbr-mse": "mbt2018-mean-mse-vbr-45d095e9",
    "mbt2018-vbr-mse": "mbt2018-mse-vbr-f12581a1",
}
"""By architecture and metric: the one file of a model that serves a range of rates."""

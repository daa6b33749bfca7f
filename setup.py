"""Installs Latent Zoo: `pip install .`, or `pip install '.[test]'` with what the tests need."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
INIT = (HERE / "zoo" / "__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "(.+)"$', INIT, re.MULTILINE).group(1)
README = HERE / "README.md"

setup(
    name="latent-zoo",
    version=VERSION,
    description="Deep generative models for Keras 3 on TensorFlow, each with a number to check",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=[*find_packages(include=["zoo", "zoo.*"]), "zoo.configs"],
    # The configs stand at the top level for those who read the source, inside the package for pip.
    package_dir={"zoo.configs": "configs"},
    package_data={
        "zoo.configs": ["*.yaml"],
        "zoo.pretrained": [
            f"*/{name}"
            for name in ("config.yaml", "card.json", "README.md", "model.weights.h5", "sha256")
        ],
    },
    include_package_data=False,
    install_requires=[
        "tensorflow>=2.21,<2.22",
        # 3.15.1 loads weights safely; below 3.16, two private hooks are as we know them.
        "keras>=3.15.1,<3.16",
        "tensorflow-probability>=0.25,<0.26",
        # TensorFlow Probability does not import without it; the zoo never imports it.
        "tf-keras>=2.21,<2.22",
        "tensorflow-datasets>=4.9.10,<5",
        # TensorFlow Datasets needs it and does not say so.
        "importlib_resources",
        "scikit-learn",
        "scipy",
        "matplotlib",
        "pillow",
        "pyyaml",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "tensorboard": ["tensorboard"],
        "audio": ["pydub"],
        "benchmark": ["torch==2.13.0", "pythae==0.1.2"],
        "test": ["pytest", "pytest-xdist", "ruff", "tensorboard"],
    },
    entry_points={"console_scripts": ["zoo = zoo.cli:main"]},
)

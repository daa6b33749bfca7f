"""SHA-256 of the weights of every shipped entry: a file that differs is not loaded."""

CHECKSUMS: dict[str, str] = {
    "classifier.mnist": "6fd57ac173319a488d7b21f7dc802bcb31137504cc1743f13ec6fa9bc61fd309",
    "gaussian_vae.frey_faces": "be6301149c0f83a49bbd08c3d6c1f7e5abed825abc1752f4d9d252aad4aea7da",
    "vae.digits": "03bdac6aaf2b0d2337690830e4e3b7143b192be70d99c96be528bbd84dfdc3c1",
    "vae.mnist": "08e41f244bfff73a5ba6a0e2ca4a24c811202259ad903c703aea49842ce74474",
    "vae.toy": "45c8639a470865221680c0c917d33843df79bdfd8db47b419f2673563168380b",
    "vae_2d.mnist": "669310718c52d98f9474b0ed658549f436d73d7fd5755a54d52fbb086ad41896",
}

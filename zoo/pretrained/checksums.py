"""SHA-256 of the weights of every shipped entry: a file that differs is not loaded."""

CHECKSUMS: dict[str, str] = {
    "ae.mnist": "12114f8f4bf6c07fdfe0313e8959d58020b7fad062fa65cc95449de9abfc4b3a",
    "ae_2d.mnist": "f829fed702c2fb4274b643b5cd0f748fe65d0fbb0a113a439bea5064d310eae6",
    "ae_5d.mnist": "b123d48e11163002f41fa4d5223505fb5d857e5b692a8a12232eb75887fc3c62",
    "classifier.mnist": "6fd57ac173319a488d7b21f7dc802bcb31137504cc1743f13ec6fa9bc61fd309",
    "contractive_ae.mnist": "242ebc2e43989bbb43b18bb0137907e6ea5da4d2f051ce639729c95ff7c92c2f",
    "cvae.mnist": "14282a9c6965307f1537840763ece667f51a866f01f5b5472b54df9c72d77bf1",
    "dae.mnist": "7e6e5656c5e82395af136ff86e842e0f107b9b0707e92094a3d21cba31f2d2c5",
    "dae_2d.mnist": "f75bb18a2ed392be1521ca2bb21a4ca20ed855ee5f54068a99712bb9ba30ec8e",
    "gaussian_vae.frey_faces": "be6301149c0f83a49bbd08c3d6c1f7e5abed825abc1752f4d9d252aad4aea7da",
    "mmd_vae.mnist": "1cbc0b5c2f4c6a8bfa5e3d97a7a34a3dab64e441bb03b17cf692e959b7c60e26",
    "ngram.shakespeare": "e21f5dca30ba945e14a5e85af4db6b3af4c762ba4999ff8af5f039e08e3a08e9",
    "ngram_words.shakespeare": "7bfbeeb311ecbeea0ae5e959680a8615d7b343b9c9e3a65f0b657289353ecb23",
    "sparse_ae.mnist": "3c36cbaaedfbec4feab3de9beb7856eb0fea0ba95eba1cf5e7c354a339cbd52c",
    "tc_vae.shapes": "de5318a49133ff4e0ee72840318fe7de28b636dbf086d4ead528d365b8a59148",
    "vae.digits": "03bdac6aaf2b0d2337690830e4e3b7143b192be70d99c96be528bbd84dfdc3c1",
    "vae.mnist": "2bfbebdfbebd7af93ed37f3be6ab337a0a647d80611f2ef2e6ada4920a796fdd",
    "vae.toy": "45c8639a470865221680c0c917d33843df79bdfd8db47b419f2673563168380b",
    "vae_20d.mnist": "26d68f74c8f3dc67ffd03495a585e254beb675d81b9d2770fdbdbeaa0f82d12c",
    "vae_2d.mnist": "669310718c52d98f9474b0ed658549f436d73d7fd5755a54d52fbb086ad41896",
    "vq_vae.mnist": "34668cfc12fb2e18c5be2bf6c34bb6c4f56eda8c5ce7bb114f9c90f2a8ea384b",
}

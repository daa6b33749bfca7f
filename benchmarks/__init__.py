"""How fast the zoo trains, beside other libraries."""

"""The specifications of the custom resources, as users write them."""

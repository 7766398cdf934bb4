"""Building blocks of the validation rules (CEL) in the CRDs."""

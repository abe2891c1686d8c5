"""The server: announces parcels, issues passes, takes in what lockers say.

The kit knows no vertical; each vertical is one package.
"""

"""The parcel: announced, moved by facts and intents, tracked; its stays in compartments."""

"""What time does to anchors, and what whoever runs the machine does to them."""

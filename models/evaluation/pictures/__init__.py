"""What scores, alarms and metrics look like: one file a picture, its finding as the title. Needs matplotlib."""

"""What a device says of itself by SNMP: asked, and by its traps; a vendor is a file of ``profiles``."""

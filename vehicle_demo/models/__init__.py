"""Networks in torch. Imported only to train and to export: nothing that serves pictures comes through here."""

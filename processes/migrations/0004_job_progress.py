import processes.models.fields
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("processes", "0003_replies_and_inbound")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="progress",
            field=processes.models.fields.VariablesField(
                blank=True,
                decoder=processes.models.fields.DecimalDecoder,
                default=None,
                encoder=processes.models.fields.DecimalEncoder,
                help_text="What its attempts kept for those that follow; null: nothing.",
                null=True,
            ),
        ),
    ]

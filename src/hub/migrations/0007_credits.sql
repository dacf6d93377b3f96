CREATE TABLE "hub"."bot_limits" (
	"bot_id" text NOT NULL,
	"kind" text NOT NULL,
	"most" integer NOT NULL,
	CONSTRAINT "bot_limits_bot_id_kind_pk" PRIMARY KEY("bot_id","kind")
);
--> statement-breakpoint
ALTER TABLE "hub"."bots" ADD COLUMN "credits" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "hub"."bots" ADD COLUMN "max_unacknowledged" integer DEFAULT 0 NOT NULL;
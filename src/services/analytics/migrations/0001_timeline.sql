CREATE TABLE "analytics"."timeline" (
	"event_id" text PRIMARY KEY NOT NULL,
	"order_id" text NOT NULL,
	"position" bigint NOT NULL,
	"name" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"bot_id" text NOT NULL,
	"task_id" text NOT NULL,
	"kind" text NOT NULL,
	"attempt" integer NOT NULL,
	"store_id" text NOT NULL,
	"line_id" text NOT NULL,
	"quantity" bigint NOT NULL,
	"amount_minor" bigint NOT NULL,
	"currency" text NOT NULL,
	"bay" text NOT NULL,
	"reason" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "timeline_by_order" ON "analytics"."timeline" USING btree ("order_id","position");--> statement-breakpoint
CREATE INDEX "timeline_by_age" ON "analytics"."timeline" USING btree ("at");--> statement-breakpoint
-- The journal is counted from its beginning again, for the time line of what has happened before; figures have keys, and stay as they are.
DELETE FROM "analytics"."progress";

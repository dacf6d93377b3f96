CREATE TABLE "depot"."return_lines" (
	"task_id" uuid NOT NULL,
	"line_id" text NOT NULL,
	"quantity" integer NOT NULL,
	"returned" integer NOT NULL,
	CONSTRAINT "return_lines_task_id_line_id_pk" PRIMARY KEY("task_id","line_id")
);
--> statement-breakpoint
CREATE TABLE "depot"."returns" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"order_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"bot_id" text NOT NULL,
	"state" text NOT NULL,
	"reason" text NOT NULL,
	"requested_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "depot"."return_lines" ADD CONSTRAINT "return_lines_task_id_returns_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "depot"."returns"("task_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "depot"."returns" ADD CONSTRAINT "returns_order_id_lists_order_id_fk" FOREIGN KEY ("order_id") REFERENCES "depot"."lists"("order_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "returns_by_order" ON "depot"."returns" USING btree ("order_id");